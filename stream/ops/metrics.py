"""Prometheus metrics under `volteface_`: base units, no ids as labels.

Invariant: a counter of this module counts what this process did, so sums over workers are right. The counters of
`task_samples` are totals of a task instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from typing import Final, get_args

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
from prometheus_client.core import Metric

from stream import MODEL_VERSION
from stream.contract.alerts import Alert, Kind, Severity
from stream.ops import task_samples
from stream.ops.exposition import exposition
from stream.ops.task_samples import TaskView
from stream.ops.topics import TopicProblem

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: An alert is about live input if its event occurred at most this long before its record was appended to Kafka.
_LIVE_SECONDS: Final = 3600
_INPUTS: Final = ("live", "backfill")
#: A schema, the answer that there is none, or no usable answer.
SCHEMA_OUTCOMES: Final = ("found", "unknown", "failed")


class Metrics:
    """All metrics of one worker, and its health."""

    def __init__(
        self,
        tasks: Callable[[], Mapping[int, TaskView]],
        states: Callable[[], Mapping[int, str]],
        kafka: Callable[[], bool],
        thresholds: Mapping[str, float],
        stopped_lag: Callable[[], Mapping[int, Mapping[str, int]]] = dict,
    ) -> None:
        """Register all metrics.

        Args:
            tasks: Returns the running tasks' views by partition number.
            states: Returns the phase of every task by partition number.
            kafka: Returns whether a broker is connected.
            thresholds: The ln R at which a subject is alerted, by family.
            stopped_lag: Returns the lag in records, by task and topic, of tasks that do not run.
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
        threshold = Gauge(
            "volteface_alert_threshold_log_odds",
            "The ln R at which a subject is alerted",
            ["family"],
            registry=self.registry,
        )
        for family, log_odds in thresholds.items():
            threshold.labels(family).set(log_odds)
        self._expected_flips = Counter(
            "volteface_expected_flips",
            "Flips that the long-run rates expected in the event time that this worker has processed",
            ["task"],
            registry=self.registry,
        )
        self._event_to_alert = Histogram(
            "volteface_event_to_alert_seconds",
            "From the append of the trigger's record to the commit of its alert",
            ["input"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        for input_ in _INPUTS:
            self._event_to_alert.labels(input_)
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
            "Times that offsets of another consumer under this group id were replaced by those of the state",
            registry=self.registry,
        )
        self._schema_requests = Counter(
            "volteface_schema_registry_requests",
            "Requests for a schema of the registry, by outcome",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in SCHEMA_OUTCOMES:
            self._schema_requests.labels(outcome)
        self._topic_problems = Gauge(
            "volteface_topic_problems",
            "Differences between the topics and their contract, at the last check",
            ["severity"],
            registry=self.registry,
        )
        self.topic_problems([])
        self._foreign_tasks = Gauge(
            "volteface_foreign_tasks",
            "Tasks of which a member of the group that is no worker has partitions, at the last assignment",
            registry=self.registry,
        )
        self._failures = Counter("volteface_task_failures", "Tasks dropped because of an error", registry=self.registry)
        self._tasks, self._states, self._stopped_lag = tasks, states, stopped_lag
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

    def checkpointed(
        self, partition: int, seconds: float, rows: int, raised: Sequence[tuple[Alert, float]], expected_flips: float
    ) -> None:
        """Count a task's checkpoint, its alerts, and the flips expected in its event time."""
        self._checkpoint.observe(seconds)
        self._checkpoint_rows.inc(rows)
        self._expected_flips.labels(str(partition)).inc(expected_flips)
        now = time.time()
        for alert, sent_at in raised:
            exemplar = {"alert_id": alert.alert_id}
            self._alerts.labels(alert.kind, alert.severity).inc(exemplar=exemplar)
            live = sent_at - alert.raised_at.timestamp() <= _LIVE_SECONDS
            self._event_to_alert.labels(_INPUTS[not live]).observe(max(0.0, now - sent_at), exemplar=exemplar)

    def assigned(self, partitions: int) -> None:
        """Set the number of partitions of the input topics."""
        self._partitions.set(partitions)
        for partition in range(partitions):  # from zero, so that a task that moves here loses no increase
            self._expected_flips.labels(str(partition))

    def failed(self, partition: int, error: BaseException) -> None:
        """Count a task that was dropped because of an error."""
        self._failures.inc()

    def records_expired(self, topic: str, count: int) -> None:
        """Count records that expired before they were read."""
        self._expired.labels(topic).inc(count)

    def schema_requested(self, outcome: str) -> None:
        """Count a request for a schema; `outcome` is one of SCHEMA_OUTCOMES."""
        self._schema_requests.labels(outcome).inc()

    def topic_problems(self, problems: Sequence[TopicProblem]) -> None:
        """Set the number of problems of the topics."""
        errors = sum(problem.is_error for problem in problems)
        self._topic_problems.labels("error").set(errors)
        self._topic_problems.labels("warning").set(len(problems) - errors)

    def foreign_tasks(self, count: int) -> None:
        """Set the number of tasks of which a member that is no worker has partitions."""
        self._foreign_tasks.set(count)

    def group_offsets_reset(self) -> None:
        """Count that a task has replaced offsets of another consumer."""
        self._group_offsets_resets.inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page for Prometheus and its content type.

        Args:
            accept: The request's Accept header: OpenMetrics if it asks for that, else the text format 0.0.4.
        """
        return exposition(self.registry, accept)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: there are no samples before the first task runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the samples of the tasks."""
        yield from task_samples.samples(self._tasks(), self._states(), self._stopped_lag())


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
