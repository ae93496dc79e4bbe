"""The row of *Operations* about the bridge.

Invariant: it shows all bridges: the variables "Worker" and "Task" choose none of them.
"""

from __future__ import annotations

from typing import Final

from panels import Row, app, graph, rate, yes_no

_JOB: Final = 'job="volteface-bridge"'


def _quantile(share: float) -> str:
    buckets = app("volteface_bridge_commit_seconds_bucket")
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[5m])))"


_BRIDGE: Final[Row] = (
    "Bridge",
    [
        yes_no(
            "Bridges up, and their tasks running",
            "A task is a partition number of all source topics. Tasks of a lost bridge move to the others. Without a"
            " bridge the records wait in Kafka.",
            {
                "{{instance}} is up": app("up", _JOB),
                "task {{partition}} runs": f"max by (partition) ({app('volteface_bridge_task_running')})",
            },
            runbooks=["VoltefaceBridgeDown", "VoltefaceNoBridge", "VoltefaceBridgeNotReady"],
        ),
        graph(
            "Records that the bridge has to read",
            "Records of the source topics that are not committed. The start of a snapshot is a peak that falls. More"
            " than 1,000 that grow open a ticket; records that wait while none is read page.",
            "short",
            {"{{topic}}": f"sum by (topic) ({app('volteface_bridge_lag_records')})"},
            limits={1000: "orange"},
            runbooks=["VoltefaceBridgeLagGrows", "VoltefaceBridgeStalls"],
        ),
        graph(
            "Age of the latest event of the bridge, by task",
            "Clock minus the latest time of an event that was written. It grows while nothing happens in the"
            " marketplace, and is large while a backlog is read.",
            "s",
            {"task {{partition}}": f"time() - max by (partition) ({app('volteface_bridge_event_time_seconds')})"},
            runbooks=["VoltefaceBridgeStalls"],
        ),
        graph(
            "Events written by the bridge, by type",
            "One change of a row gives no event, one or several.",
            "eps",
            {"{{type}}": rate("type", app("volteface_bridge_events_total"))},
            stacked=True,
        ),
        graph(
            "Records refused by the bridge in 15 minutes",
            "Dead letters by topic and reason. A mapping that fits its tables refuses none: one opens a ticket.",
            "short",
            {
                "{{topic}} {{reason}}": (
                    f"round(sum by (topic, reason) (increase({app('volteface_bridge_refused_total')}[15m])))"
                )
            },
            limits={1: "red"},
            runbooks=["VoltefaceBridgeRefuses", "VoltefaceBridgeTopicRefused"],
        ),
        graph(
            "Records without an event, by reason",
            "not_wanted: a row that the mapping leaves out. unchanged: no mapped column changed. no_value: what follows"
            " a deletion in a compacted topic.",
            "recps",
            {"{{topic}} {{reason}}": rate("topic, reason", app("volteface_bridge_ignored_total"))},
            stacked=True,
        ),
        graph(
            "Records expired before the bridge read them, deletions by nobody known",
            "Both are zero in an intact installation. A deletion of which no column says whose it is counts as the"
            " platform's: a cheat by deletions would not be seen.",
            "short",
            {
                "expired in {{topic}}": f"sum by (topic) ({app('volteface_bridge_expired_records_total')})",
                "deleted by nobody known, {{topic}}": f"sum by (topic) ({app('volteface_bridge_unknown_deleters')})",
            },
            limits={1: "red"},
            runbooks=["VoltefaceBridgeRecordsExpired"],
        ),
        graph(
            "Time of a commit of the bridge",
            "One Kafka transaction with events, dead letters and offsets, and the mapping of its records before.",
            "s",
            {f"p{100 * share:g}": _quantile(share) for share in (0.5, 0.99)},
            limits={1: "orange"},
        ),
        graph(
            "Tasks of the bridge failed in 15 minutes",
            "A failed task continues at its last commit. A task that fails repeatedly makes no progress.",
            "short",
            {
                "{{instance}}": (
                    f"round(sum by (instance) (increase({app('volteface_bridge_task_failures_total')}[15m])))"
                )
            },
            limits={3: "red"},
            runbooks=["VoltefaceBridgeTasksFail"],
        ),
    ],
)

ROWS: Final = (_BRIDGE,)
