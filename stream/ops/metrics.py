"""Prometheus metrics under `volteface_`: base units, no ids as labels.

Invariant: the hot path counts in plain integers of the tasks' state, which become samples when Prometheus scrapes. So a
count after a restart is the committed count, and a scrape costs the event path nothing.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import Counter as CollectedCounter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate, product
from typing import Final, NamedTuple, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.exposition import choose_encoder

from stream import MODEL_VERSION
from stream.contract.alerts import Alert, Kind, Severity

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_QUANTILES: Final = (0.5, 0.9, 0.99, 1.0)
_STATES: Final = ("new", "restoring", "running")
#: Exposed from zero on: Prometheus sees an increase only between two samples.
_COUNTED: Final = dict.fromkeys(("applied", "duplicate", "late", "upgraded", "retracted"), 0)
_GAUGES: Final = {
    "watermark_timestamp_seconds": "Latest event time applied",
    "at_risk_reviews": "Open critical reviews",
    "products": "Known products",
    "checkpoint_age_seconds": "Time since the last checkpoint",
    "expected_flips_per_second": "Flips per second of event time that the long-run rates expect of all reviews at risk",
    "staff_judged_timestamp_seconds": "Event time up to which all tasks have reported and staff were evaluated",
}

#: Gauges of each family of subjects (sellers, staff): fields of FamilyView.
_BY_FAMILY: Final = {
    "subjects": "Known subjects",
    "alerts_past_year": "Alerts about them in the last 365 days of event time",
    "alerts_allowed_per_year": "False alarms that the budget allows for the known subjects",
}


class FamilyView(NamedTuple):
    """One family of a task's subjects; `evidence` has the largest ln R of each."""

    subjects: int
    alerts_past_year: int
    alerts_allowed_per_year: float
    evidence: Sequence[float]


class TaskView(NamedTuple):
    """What the metrics read of a running task."""

    counts: Mapping[str, int]
    #: Dead letters by "topic/reason".
    dead: Mapping[str, int]
    unknown_fields: int
    #: By topic.
    lag_records: Mapping[str, int]
    lag_seconds: Mapping[str, float]
    families: Mapping[str, FamilyView]
    #: Histogram of pattern scores: the number of flips in each of equal parts of [0, 1].
    pattern_scores: Sequence[int]
    #: By the names of _GAUGES.
    gauges: Mapping[str, float]


class Metrics:
    """All metrics of one worker, and its health."""

    def __init__(
        self,
        tasks: Callable[[], Mapping[int, TaskView]],
        states: Callable[[], Mapping[int, str]],
        kafka: Callable[[], bool],
    ) -> None:
        """Register all metrics.

        Args:
            tasks: Returns the running tasks' views by partition number.
            states: Returns the phase of every task by partition number.
            kafka: Returns whether a broker is connected.
        """
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Info("volteface_build", "What runs", registry=self.registry).info(
            {"version": version("volteface"), "model_version": MODEL_VERSION}
        )
        self._alerts = Counter(
            "volteface_alerts", "Alerts sent by this worker", ["kind", "severity"], registry=self.registry
        )
        for kind, severity in product(
            get_args(Kind), get_args(Severity)
        ):  # from zero, so that the first one is an increase
            self._alerts.labels(kind, severity)
        self._partitions = Gauge("volteface_partitions", "Partitions of the input topics", registry=self.registry)
        reachable = Gauge("volteface_kafka_reachable", "1 while a broker is connected", registry=self.registry)
        reachable.set_function(kafka)
        self._event_to_alert = self._seconds(
            "event_to_alert", "From the append of the trigger's record to the commit of its alert"
        )
        self._batch = self._seconds("batch", "Time to apply a batch of events")
        self._checkpoint = self._seconds("checkpoint", "Time of a checkpoint")
        self._restore = self._seconds("restore", "Time of a task's restore")
        self._checkpoint_rows = Counter("volteface_checkpoint_rows", "Rows of state written", registry=self.registry)
        self._restored_rows = Counter("volteface_restored_rows", "Rows read by restores", registry=self.registry)
        self._expired = Counter(
            "volteface_expired_records",
            "Records that the topic's retention deleted before they were read",
            ["topic"],
            registry=self.registry,
        )
        self._group_offsets_resets = Counter(
            "volteface_group_offsets_resets",
            "Times that offsets of another consumer under this group id were set back",
            registry=self.registry,
        )
        self._failures = Counter("volteface_task_failures", "Tasks dropped because of an error", registry=self.registry)
        self._tasks, self._states = tasks, states
        self.registry.register(self)

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(f"volteface_{name}_seconds", text, buckets=_SECONDS, registry=self.registry)

    def restored(self, partition: int, rows: int, seconds: float) -> None:
        """Count a task's restore."""
        self._restore.observe(seconds)
        self._restored_rows.inc(rows)

    def stepped(self, seconds: float) -> None:
        """Count a step that applied events."""
        self._batch.observe(seconds)

    def checkpointed(self, seconds: float, rows: int, raised: Sequence[tuple[Alert, float]]) -> None:
        """Count a checkpoint and its alerts."""
        self._checkpoint.observe(seconds)
        self._checkpoint_rows.inc(rows)
        now = time.time()
        for alert, sent_at in raised:
            self._alerts.labels(alert.kind, alert.severity).inc()
            self._event_to_alert.observe(max(0.0, now - sent_at), exemplar={"alert_id": alert.alert_id})

    def assigned(self, partitions: int) -> None:
        """Set the number of partitions of the input topics."""
        self._partitions.set(partitions)

    def failed(self, partition: int, error: BaseException) -> None:
        """Count a task that was dropped because of an error."""
        self._failures.inc()

    def records_expired(self, topic: str, count: int) -> None:
        """Count records that expired before they were read."""
        self._expired.labels(topic).inc(count)

    def group_offsets_reset(self) -> None:
        """Count that a task has set the group's offsets back."""
        self._group_offsets_resets.inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page for Prometheus and its content type.

        Args:
            accept: The request's Accept header: OpenMetrics if it asks for that, else the text format 0.0.4.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number, a parameter without a value
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type

    def describe(self) -> Iterable[Metric]:
        """Return nothing: there are no samples before the first task runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the samples of the running tasks."""
        events = CounterMetricFamily("volteface_events", "Events by outcome", labels=["task", "outcome"])
        flips = CounterMetricFamily("volteface_flips", "Flips by kind", labels=["task", "kind"])
        dead = CounterMetricFamily("volteface_dead_letters", "Records refused", labels=["task", "topic", "reason"])
        unknown = CounterMetricFamily("volteface_unknown_field_events", "Events with unknown fields", labels=["task"])
        lag = GaugeMetricFamily("volteface_lag_records", "Records not yet applied", labels=["task", "topic"])
        behind = GaugeMetricFamily("volteface_lag_seconds", "Age of the oldest of them", labels=["task", "topic"])
        # Without a type: only a summary may have the label `quantile`, and a summary's values may not be negative.
        evidence = UnknownMetricFamily(
            "volteface_evidence_log_odds", "ln R of the subjects, by quantile", labels=["task", "family", "quantile"]
        )
        scores = UnknownMetricFamily(
            "volteface_pattern_score",
            "HalfSpaceTrees' score of the flips so far, by quantile",
            labels=["task", "quantile"],
        )
        tasks = GaugeMetricFamily("volteface_tasks", "Tasks of this worker by state", labels=["state"])
        states = CollectedCounter(self._states().values())
        for state in _STATES:
            tasks.add_metric([state], states[state])
        gauges = {name: GaugeMetricFamily(f"volteface_{name}", text, labels=["task"]) for name, text in _GAUGES.items()}
        by_family = {
            name: GaugeMetricFamily(f"volteface_{name}", text, labels=["task", "family"])
            for name, text in _BY_FAMILY.items()
        }
        for partition, view in sorted(self._tasks().items()):
            task = str(partition)
            for name, count in {**_COUNTED, **view.counts}.items():
                counted = flips if name in {"upgraded", "retracted"} else events
                if name != "alerts":
                    counted.add_metric([task, name], count)
            for where, count in view.dead.items():
                dead.add_metric([task, *where.rsplit("/", 1)], count)
            unknown.add_metric([task], view.unknown_fields)
            for topic, records in view.lag_records.items():
                lag.add_metric([task, topic], records)
            for topic, seconds in view.lag_seconds.items():
                behind.add_metric([task, topic], seconds)
            for family, subjects in view.families.items():
                ranked = sorted(subjects.evidence)
                for quantile in _QUANTILES if ranked else ():
                    evidence.add_metric([task, family, str(quantile)], ranked[math.ceil(quantile * len(ranked)) - 1])
                for name, gauge in by_family.items():
                    gauge.add_metric([task, family], getattr(subjects, name))
            for quantile, score in _of_histogram(view.pattern_scores):
                scores.add_metric([task, str(quantile)], score)
            for name, value in view.gauges.items():
                gauges[name].add_metric([task], value)
        yield from (tasks, events, flips, dead, unknown, lag, behind, evidence, scores)
        yield from (*by_family.values(), *gauges.values())


def _of_histogram(counts: Sequence[int]) -> Iterator[tuple[float, float]]:
    """Yield the quantiles of a histogram over [0, 1]: the upper ends of their bins; none for an empty histogram."""
    running = list(accumulate(counts))
    if running and running[-1]:
        for quantile in _QUANTILES:
            yield quantile, (bisect_left(running, quantile * running[-1]) + 1) / len(counts)


class Heartbeat:
    """Whether the event loop makes progress."""

    def __init__(self) -> None:
        self._beat_at = time.monotonic()

    def beat(self) -> None:
        """Note that the loop runs; the loop calls this every second."""
        self._beat_at = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """Time since the last beat."""
        return time.monotonic() - self._beat_at
