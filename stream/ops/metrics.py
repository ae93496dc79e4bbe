"""Prometheus metrics under `volteface_`: base units, no ids as labels.

Rule of this room: the hot path counts in plain integers that belong to the tasks' state; they are turned into
samples when Prometheus asks. So a count after a restart is what was committed, and asking costs the events nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition

from stream.alerts import Alert

CONTENT_TYPE: Final = exposition.CONTENT_TYPE_LATEST
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class TaskView(NamedTuple):
    """What is read of a running task."""

    counts: Mapping[str, int]
    dead: Mapping[str, int]
    watermark_seconds: float
    reviews: int
    sellers: int
    checkpoint_age_seconds: float
    lag_records: Mapping[str, int]


class Metrics:
    """All metrics of one worker, and its health."""

    def __init__(self, tasks: Callable[[], Mapping[int, TaskView]]) -> None:
        """`tasks` gives the running tasks' views, by partition number."""
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.alerts = Counter(
            "volteface_alerts", "Alerts sent by this worker", ["kind", "severity"], registry=self.registry
        )
        self.checkpoint_seconds = Histogram(
            "volteface_checkpoint_seconds", "Time of a checkpoint", buckets=_SECONDS, registry=self.registry
        )
        self.restore_seconds = Histogram(
            "volteface_restore_seconds", "Time of a task's restore", buckets=_SECONDS, registry=self.registry
        )
        self.restored_rows = Counter("volteface_restored_rows", "Rows read by restores", registry=self.registry)
        self.task_failures = Counter(
            "volteface_task_failures", "Tasks dropped because of an error", registry=self.registry
        )
        self._tasks = tasks
        self.registry.register(self)

    def restored(self, partition: int, rows: int, seconds: float) -> None:
        """A task is ready."""
        self.restore_seconds.observe(seconds)
        self.restored_rows.inc(rows)

    def checkpointed(self, task: object, seconds: float, alerts: list[Alert]) -> None:
        """A checkpoint was committed."""
        self.checkpoint_seconds.observe(seconds)
        for alert in alerts:
            self.alerts.labels(alert.kind, alert.severity).inc()

    def failed(self, partition: int, error: BaseException) -> None:
        """A task was dropped because of an error."""
        self.task_failures.inc()

    def exposition(self) -> bytes:
        """The page that Prometheus reads (OpenMetrics)."""
        page: bytes = exposition.generate_latest(self.registry)  # type: ignore[no-untyped-call]  # untyped there
        return page

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first task runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Samples of the running tasks."""
        events = CounterMetricFamily("volteface_events", "Events by outcome", labels=["task", "outcome"])
        flips = CounterMetricFamily("volteface_flips", "Flips by kind", labels=["task", "kind"])
        dead = CounterMetricFamily("volteface_dead_letters", "Dead letters by reason", labels=["task", "reason"])
        lag = GaugeMetricFamily("volteface_lag_records", "Records not yet applied", labels=["task", "topic"])
        gauges = {
            name: GaugeMetricFamily(f"volteface_{name}", text, labels=["task"])
            for name, text in (
                ("watermark_timestamp_seconds", "Latest event time applied"),
                ("at_risk_reviews", "Open critical reviews"),
                ("subjects", "Sellers known"),
                ("checkpoint_age_seconds", "Time since the last checkpoint"),
            )
        }
        for partition, view in sorted(self._tasks().items()):
            task = str(partition)
            for name, count in view.counts.items():
                family = flips if name in {"upgraded", "retracted"} else events
                if name != "alerts":
                    family.add_metric([task, name], count)
            for reason, count in view.dead.items():
                dead.add_metric([task, reason], count)
            for topic, records in view.lag_records.items():
                lag.add_metric([task, topic], records)
            if view.watermark_seconds > 0:
                gauges["watermark_timestamp_seconds"].add_metric([task], view.watermark_seconds)
            gauges["at_risk_reviews"].add_metric([task], view.reviews)
            gauges["subjects"].add_metric([task], view.sellers)
            gauges["checkpoint_age_seconds"].add_metric([task], view.checkpoint_age_seconds)
        yield from (events, flips, dead, lag, *gauges.values())


class Pulse:
    """Whether the event loop makes progress."""

    def __init__(self) -> None:
        self._beat_at = time.monotonic()

    def beat(self) -> None:
        """Called by the loop, every second."""
        self._beat_at = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """Time since the last beat."""
        return time.monotonic() - self._beat_at
