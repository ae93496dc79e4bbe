"""The dashboard *Operations*: availability, throughput, correctness and alerts of the service.

Invariant: for every alert rule a panel shows the value that the rule watches, with the limit at which it fires.
"""

from __future__ import annotations

from typing import Final

import service_levels
import workers
from panels import Row, app, graph, number, or_zero, quantiles, rate, task, worker

_EVENTS = app("app_id:volteface_events_applied:rate5m")
_PARTITIONS = app("app_id:volteface_partitions:max")
_TASKS_RUNNING = app("app_id:volteface_tasks_running:sum")
_REFUSED_SHARE = or_zero(app("app_id:volteface_dead_letters:ratio_rate5m"), _EVENTS)


_AT_A_GLANCE: Final[Row] = (
    "At a glance",
    [
        number(
            "Available now",
            "Every partition has a running task, and no record has waited for more than a minute.",
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
            runbooks=["VoltefaceDeadLetterBurst"],
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
            "Alerts raised in the last day. A few are normal. Many at once mean a ring of sellers, or a baseline that"
            " does not fit.",
            "short",
            f"round({app('app_id:volteface_alerts:increase1d')})",
            limits={6: "orange"},
            runbooks=["VoltefaceAlertFlood"],
        ),
    ],
)

_THROUGHPUT: Final[Row] = (
    "Throughput",
    [
        graph(
            "Events applied, by task",
            "Rates differ because sellers differ. A line ends when its task stops or moves to another worker.",
            "eps",
            {"task {{task}}": rate("task", task("volteface_events_total", 'outcome="applied"'))},
            stacked=True,
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
            "All tasks. More than one minute counts as unavailable. More than five minutes and growing opens a ticket.",
            "s",
            {"{{topic}}": app("app_id_topic:volteface_lag_seconds:max")},
            limits={60: "orange", 300: "red"},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Age of the watermark, by task",
            "Clock minus the latest event time applied. The age grows without events, and is large during a backlog. A"
            " watermark that stands still while records wait pages.",
            "s",
            {
                "task {{task}}": f"time() - max by (task) ({task('volteface_watermark_timestamp_seconds')} > 0)",
                "staff evidence, task {{task}}": "time() - max by (task) "
                f"({task('volteface_staff_judged_timestamp_seconds')} > 0)",
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
            {"task {{task}}": f"max by (task) ({task('volteface_checkpoint_age_seconds')})"},
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
            "Duplicates, late events, unknown fields",
            "Duplicates are dropped. Late events are applied at the watermark. Unknown fields are ignored. A lasting"
            " rise means that a producer changed.",
            "eps",
            {
                "{{outcome}}": rate("outcome", task("volteface_events_total", 'outcome=~"duplicate|late"')),
                "unknown field": f"sum(rate({task('volteface_unknown_field_events_total')}[$__rate_interval]))",
            },
        ),
        graph(
            "Records refused, by topic and reason",
            "Records that became dead letters. A single reason on a single topic points to one faulty producer.",
            "recps",
            {"{{topic}} {{reason}}": rate("topic, reason", task("volteface_dead_letters_total"))},
            stacked=True,
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        graph(
            "Share of records refused",
            "Of all records read in five minutes. All tasks.",
            "percentunit",
            {"refused": _REFUSED_SHARE},
            limits={0.01: "red"},
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
    ],
)

ROWS: Final = (_AT_A_GLANCE, _THROUGHPUT, _CORRECTNESS, *workers.ROWS, *service_levels.ROWS)
