"""The dashboard *Operations*: is it up, is it keeping up, is it right, is it finding?

Rule of this room: what pages or makes a ticket can be seen here, against the limit at which it does.
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
    "At a glance: up, keeping up, right, finding",
    [
        number(
            "Available now",
            "Every partition has a running task, and nothing that came more than a minute ago still waits.",
            "bool_yes_no",
            app("app_id:volteface_available:bool"),
            limits={None: "red", 1: "green"},
            runbooks=["VoltefaceNotReady"],
        ),
        number(
            "Partitions with a task",
            "The share of the input's partitions whose task runs. The sellers of the others are not watched.",
            "percentunit",
            f"{_TASKS_RUNNING} / {_PARTITIONS}",
            limits={None: "red", 1: "green"},
            runbooks=["VoltefaceNotReady"],
        ),
        number(
            "Oldest record waiting",
            "How long ago Kafka was given the oldest record that is not yet applied.",
            "s",
            f"max({app('app_id_topic:volteface_lag_seconds:max')})",
            limits={60: "orange", 300: "red"},
            runbooks=["VoltefaceLagGrows"],
        ),
        number("Events applied", "A second, over the last five minutes.", "eps", _EVENTS),
        number(
            "Refused",
            "The share of the records read in five minutes that could not be used. They wait on the dead-letter"
            " topics.",
            "percentunit",
            _REFUSED_SHARE,
            limits={0.001: "orange", 0.01: "red"},
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        number(
            "Tasks failed, 1 h",
            "Tasks dropped because of an error in the last hour. Each begins again from its last checkpoint.",
            "short",
            f"round(sum(increase({worker('volteface_task_failures_total')}[1h])))",
            limits={1: "orange", 3: "red"},
            runbooks=["VoltefaceTasksFail"],
        ),
        number(
            "Flips, 6 h",
            "Critical reviews that turned in the last six hours. None at all, while events flow, deserves a look.",
            "short",
            f"round({app('app_id:volteface_flips:increase6h')})",
            limits={None: "orange", 1: "green"},
            runbooks=["VoltefaceSilence"],
        ),
        number(
            "Alerts, 24 h",
            "Alerts raised in the last day. A few are the purpose; many at once are a ring, or a norm that does not"
            " fit.",
            "short",
            f"round({app('app_id:volteface_alerts:increase1d')})",
            limits={6: "orange"},
            runbooks=["VoltefaceAlertFlood"],
        ),
    ],
)

_KEEPING_UP: Final[Row] = (
    "Keeping up",
    [
        graph(
            "Events applied, by task",
            "Tasks differ as their sellers do. A line that ends is a task that moved to another worker or stopped.",
            "eps",
            {"task {{task}}": rate("task", task("volteface_events_total", 'outcome="applied"'))},
            stacked=True,
        ),
        graph(
            "Records waiting, by topic",
            "Records in Kafka, or fetched, that are not yet applied; of all tasks. A level that holds is harmless.",
            "short",
            {"{{topic}}": app("app_id_topic:volteface_lag_records:sum")},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Age of the oldest record waiting, by topic",
            "Of all tasks. More than a minute counts as unavailable; more than five, and growing, makes a ticket.",
            "s",
            {"{{topic}}": app("app_id_topic:volteface_lag_seconds:max")},
            limits={60: "orange", 300: "red"},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Age of the watermark, by task",
            "How far the latest event time applied lies behind the clock. It grows where no events come, and is large"
            " while old events are read. It pages when it stands still while records wait.",
            "s",
            {
                "task {{task}}": f"time() - max by (task) ({task('volteface_watermark_timestamp_seconds')} > 0)",
                "staff judged by task {{task}}": "time() - max by (task) "
                f"({task('volteface_staff_judged_timestamp_seconds')} > 0)",
            },
            runbooks=["VoltefaceWatermarkStalls"],
        ),
        graph(
            "Time to apply a batch of events",
            "The worker's loop is busy for so long at a time. Long batches make heartbeats late.",
            "s",
            quantiles("volteface_batch_seconds"),
            limits={1: "orange"},
        ),
    ],
)

_RIGHT: Final[Row] = (
    "Right",
    [
        graph(
            "Tasks running and partitions",
            "Both are equal where all is well.",
            "short",
            {"tasks running": _TASKS_RUNNING, "partitions": _PARTITIONS},
            runbooks=["VoltefaceNotReady"],
        ),
        graph(
            "Age of the last checkpoint, by task",
            "About a second where events flow. An alert has one at once; a crash repeats the work since.",
            "s",
            {"task {{task}}": f"max by (task) ({task('volteface_checkpoint_age_seconds')})"},
            limits={60: "red"},
            runbooks=["VoltefaceCheckpointTooOld"],
        ),
        graph(
            "Time of a checkpoint",
            "One Kafka transaction: changed rows, alerts, dead letters, positions. Slow ones are a slow Kafka.",
            "s",
            quantiles("volteface_checkpoint_seconds"),
            limits={1: "orange"},
            runbooks=["VoltefaceCheckpointTooOld"],
        ),
        graph(
            "Rows of state written, by worker",
            "Changed reviews, sellers, products and norms that checkpoints write to the state topic.",
            "rowsps",
            {"{{instance}}": rate("instance", worker("volteface_checkpoint_rows_total"))},
            stacked=True,
        ),
        graph(
            "Tasks failed in 15 minutes, by worker",
            "A task that fails begins again from its last checkpoint. One that fails again and again stands still.",
            "short",
            {"{{instance}}": f"round(sum by (instance) (increase({worker('volteface_task_failures_total')}[15m])))"},
            limits={3: "red"},
            runbooks=["VoltefaceTasksFail"],
        ),
        graph(
            "Duplicates, late events, unknown fields",
            "Second deliveries are dropped, late events applied at the watermark, unknown fields passed over."
            " A rise that stays is a producer that changed.",
            "eps",
            {
                "{{outcome}}": rate("outcome", task("volteface_events_total", 'outcome=~"duplicate|late"')),
                "unknown field": f"sum(rate({task('volteface_unknown_field_events_total')}[$__rate_interval]))",
            },
        ),
        graph(
            "Records refused, by topic and reason",
            "Records that became dead letters. One reason on one topic is one producer's mistake.",
            "recps",
            {"{{topic}} {{reason}}": rate("topic, reason", task("volteface_dead_letters_total"))},
            stacked=True,
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
        graph(
            "Share of records refused",
            "Of all that was read in five minutes, by all tasks.",
            "percentunit",
            {"refused": _REFUSED_SHARE},
            limits={0.01: "red"},
            runbooks=["VoltefaceDeadLetterBurst"],
        ),
    ],
)

ROWS: Final = (_AT_A_GLANCE, _KEEPING_UP, _RIGHT, *workers.ROWS, *service_levels.ROWS)
