"""The dashboard *Operations*: availability, throughput, correctness and alerts of the service.

Invariant: for every alert rule a panel shows the value that the rule watches, with the limit at which it fires.
"""

from __future__ import annotations

from typing import Final

import bridge
import console
import service_levels
import workers
from panels import Row, app, graph, held, number, or_zero, quantiles, rate, task, total, worker

_EVENTS = app("app_id:volteface_events_applied:rate5m")
_PARTITIONS = app("app_id:volteface_partitions:max")
_TASKS_RUNNING = app("app_id:volteface_tasks_running:sum")
_DEAD = "app_id_task_topic_reason:volteface_dead_letters:max"
_REFUSED_SHARE = or_zero(app("app_id:volteface_dead_letters:ratio_rate5m"), _EVENTS)


def _rate(series: str) -> str:
    return f"sum(rate({series}[$__rate_interval]))"


_AT_A_GLANCE: Final[Row] = (
    "At a glance",
    [
        number(
            "Available now",
            "Every partition has a running task, and no task with records stalls.",
            "bool_yes_no",
            app("app_id:volteface_available:bool"),
            limits={None: "red", 1: "green"},
            runbooks=["VoltefaceNotReady"],
        ),
        number(
            "Partitions with a running task",
            "Share of the input partitions. Sellers of the other partitions are not watched.",
            "percentunit",
            f"{_TASKS_RUNNING} / {_PARTITIONS}",
            limits={None: "red", 1: "green"},
            runbooks=["VoltefaceNotReady"],
        ),
        number(
            "Oldest record waiting",
            "Time since Kafka received the oldest record that is not yet applied.",
            "s",
            f"max({app('app_id_topic:volteface_lag_seconds:max')})",
            limits={60: "orange", 300: "red"},
            runbooks=["VoltefaceLagGrows"],
        ),
        number("Events applied", "Events a second, over the last five minutes.", "eps", _EVENTS),
        number(
            "Refused",
            "Share of the records read in five minutes that became dead letters.",
            "percentunit",
            _REFUSED_SHARE,
            limits={0.001: "orange", 0.01: "red"},
            runbooks=["VoltefaceDeadLetterBurst", "VoltefaceTopicRefused"],
        ),
        number(
            "Tasks failed, 1 h",
            "Tasks dropped because of an error in the last hour. Each resumes from its last checkpoint.",
            "short",
            f"round(sum(increase({worker('volteface_task_failures_total')}[1h])))",
            limits={1: "orange", 3: "red"},
            runbooks=["VoltefaceTasksFail"],
        ),
        number(
            "Flips, 6 h",
            "Critical reviews that flipped in the last six hours. 0 deserves a look if events arrive.",
            "short",
            f"round({app('app_id:volteface_flips:increase6h')})",
            limits={None: "orange", 1: "green"},
            runbooks=["VoltefaceSilence"],
        ),
        number(
            "Alerts, 24 h",
            "Alerts of the last day: each waits for a person. The alert rule compares the live ones with the size of"
            " the market.",
            "short",
            f"round({app('app_id:volteface_alerts:increase1d')})",
            runbooks=["VoltefaceAlertFlood", "VoltefacePrecisionLow"],
            drill_down=True,
        ),
    ],
)

_THROUGHPUT: Final[Row] = (
    "Throughput",
    [
        graph(
            "Events applied, by task",
            "Rates differ because sellers differ. A line goes on when its task moves to another worker.",
            "eps",
            {"task {{task}}": rate("task", total("app_id_task_outcome:volteface_events:max", 'outcome="applied"'))},
            stacked=True,
        ),
        graph(
            "Records done, by topic",
            "Records applied, refused or dropped as duplicates, and the gaps of expired records. All tasks.",
            "recps",
            {"{{topic}}": app("app_id_topic:volteface_records:rate5m")},
            stacked=True,
            runbooks=["VoltefaceTopicSilent"],
        ),
        graph(
            "Silence of each topic, and its limit",
            "Time since the last record. The limit is learned from four weeks, in which silence counts while the"
            " workers have read the topic to its end: the usual longest silence of a day, and as much again. It begins"
            " after two days. At a busy time of day an hour of silence opens a ticket.",
            "s",
            {
                "{{topic}}": f"time() - {app('app_id_topic:volteface_last_record_timestamp_seconds:max')}",
                "limit of {{topic}}": app("app_id_topic:volteface_silence_limit_seconds"),
            },
            runbooks=["VoltefaceTopicSilent", "VoltefaceInputSilent"],
        ),
        graph(
            "Records waiting, by topic",
            "Records in Kafka or in a worker that are not yet applied. All tasks. A constant level is harmless.",
            "short",
            {"{{topic}}": app("app_id_topic:volteface_lag_records:sum")},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Age of the oldest record waiting, by topic",
            "All tasks. More than five minutes and growing opens a ticket. A backfill waits, too; that is no outage.",
            "s",
            {"{{topic}}": app("app_id_topic:volteface_lag_seconds:max")},
            limits={60: "orange", 300: "red"},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Age of the watermark, by task",
            "Clock minus the latest event time applied. The age grows without events, and is large during a backlog."
            " It is negative after an event dated ahead. A task that does no records while some wait pages.",
            "s",
            {
                "task {{task}}": f"time() - ({held('volteface_watermark_timestamp_seconds')} > 0)",
                "staff evidence, task {{task}}": f"time() - ({held('volteface_staff_judged_timestamp_seconds')} > 0)",
            },
            runbooks=["VoltefaceWatermarkStalls"],
        ),
        graph(
            "Time to apply a batch of events",
            "The event loop is busy for this time. Long batches delay heartbeats to Kafka.",
            "s",
            quantiles("volteface_batch_seconds"),
            limits={1: "orange"},
        ),
    ],
)

_CORRECTNESS: Final[Row] = (
    "Correctness",
    [
        graph(
            "Tasks running and partitions",
            "Both lines are equal if every partition has a running task.",
            "short",
            {"tasks running": _TASKS_RUNNING, "partitions": _PARTITIONS},
            runbooks=["VoltefaceNotReady"],
        ),
        graph(
            "Age of the last checkpoint, by task",
            "About one second while events arrive. An alert triggers a checkpoint at once. After a crash the work since"
            " the last checkpoint is repeated.",
            "s",
            {"task {{task}}": held("volteface_checkpoint_age_seconds")},
            limits={60: "red"},
            runbooks=["VoltefaceCheckpointTooOld"],
        ),
        graph(
            "Time of a checkpoint",
            "Duration of one Kafka transaction: rows, alerts, dead letters, offsets. It is long if Kafka is slow.",
            "s",
            quantiles("volteface_checkpoint_seconds"),
            limits={1: "orange"},
            runbooks=["VoltefaceCheckpointTooOld"],
        ),
        graph(
            "Rows of state written, by worker",
            "Changed rows that checkpoints write to the state topic: reviews, sellers, products, the baseline.",
            "rowsps",
            {"{{instance}}": rate("instance", worker("volteface_checkpoint_rows_total"))},
            stacked=True,
        ),
        graph(
            "Tasks failed in 15 minutes, by worker",
            "A failed task resumes from its last checkpoint. A task that fails repeatedly makes no progress.",
            "short",
            {"{{instance}}": f"round(sum by (instance) (increase({worker('volteface_task_failures_total')}[15m])))"},
            limits={3: "red"},
            runbooks=["VoltefaceTasksFail"],
        ),
        graph(
            "Records expired unread, foreign group offsets",
            "Records that a topic's retention deleted before a worker read them, and how often the workers set offsets"
            " of another consumer back. Both are zero in an intact installation.",
            "short",
            {
                "expired in {{topic}}": f"sum by (topic) ({worker('volteface_expired_records_total')})",
                "offsets set back": f"sum({worker('volteface_group_offsets_resets_total')})",
            },
            limits={1: "red"},
            runbooks=["VoltefaceRecordsExpired", "VoltefaceGroupOffsetsReset"],
        ),
        graph(
            "Wait for schemas",
            "For how long the next record of a partition has waited for a schema of the registry. Its task stands still"
            " meanwhile. Topics whose values name no schema are not shown.",
            "s",
            {"{{topic}}": f"max by (topic) ({worker('volteface_schema_wait_seconds')})"},
            limits={60: "red"},
            runbooks=["VoltefaceSchemaRegistryAway"],
        ),
        graph(
            "Differences of the topics from their contract",
            "Found by the workers' check every five minutes. With an error records are lost or refused.",
            "short",
            {"{{severity}}": f"max by (severity) ({worker('volteface_topic_problems')})"},
            limits={1: "yellow"},
            runbooks=["VoltefaceTopicsUnsafe"],
        ),
        graph(
            "Duplicates, late events, unknown fields",
            "Duplicates are dropped. Late events are applied at the watermark. Unknown fields are ignored. A lasting"
            " rise means that a producer changed.",
            "eps",
            {
                "duplicate": _rate(total("app_id_task_outcome:volteface_events:max", 'outcome="duplicate"')),
                "late": _rate(total("app_id_task:volteface_late_events:max")),
                "unknown field": _rate(task("volteface_unknown_field_events_total")),
            },
        ),
        graph(
            "Messages of other applications",
            "Other applications may share the evidence topic: their messages are passed over. If none shares it, a"
            " worker runs with another VOLTEFACE_APP_ID. A record of no application becomes a dead letter.",
            "cps",
            {"messages": _rate(total("app_id_task:volteface_foreign_messages:max"))},
        ),
        graph(
            "Share of events that came late",
            "Of the events applied in an hour. More than 5 % opens a ticket: late events are applied in the wrong"
            " order.",
            "percentunit",
            {"late": app("app_id:volteface_late_events:ratio_rate1h")},
            limits={0.05: "red"},
            runbooks=["VoltefaceEventsLate"],
        ),
        graph(
            "Reasons not to trust the outcome",
            "1 while a task's outcome cannot be trusted for this reason. late, duplicates: the input is out of order,"
            " or is sent twice. refused, unknown_fields: a producer sends what the contract does not know."
            " short_history: normal in the first 90 days. few_sellers, few_flips: the market is too small"
            " for that many partitions.",
            "short",
            {"{{reason}}": f"max by (reason) ({task('volteface_trust_doubtful')})"},
            limits={1: "red"},
            runbooks=["VoltefaceOutcomeDoubtful"],
        ),
        graph(
            "Records refused, by topic and reason",
            "Records that became dead letters. A single reason on a single topic points to one faulty producer.",
            "recps",
            {"{{topic}} {{reason}}": rate("topic, reason", total(_DEAD))},
            stacked=True,
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        graph(
            "Share of records refused",
            "Of all records done in five minutes, and of each topic. More than 1 % of all opens a ticket, more than 90"
            " % of a topic pages.",
            "percentunit",
            {"all": _REFUSED_SHARE, "{{topic}}": app("app_id_topic:volteface_dead_letters:ratio_rate5m")},
            limits={0.01: "orange", 0.9: "red"},
            runbooks=["VoltefaceDeadLetterBurst", "VoltefaceTopicRefused"],
        ),
    ],
)

ROWS: Final = (
    _AT_A_GLANCE,
    _THROUGHPUT,
    _CORRECTNESS,
    *workers.ROWS,
    *service_levels.ROWS,
    *bridge.ROWS,
    *console.ROWS,
)
