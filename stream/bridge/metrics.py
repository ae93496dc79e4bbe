"""The bridge's metrics under `volteface_bridge_`: base units, no ids as labels.

Invariant: a counter counts what this process has committed, so sums over bridges are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from stream.bridge.task import Outcome
from stream.intake.refusal import Refusal
from stream.ops.exposition import exposition

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class BridgeMetrics:
    """All metrics of one bridge.

    Args:
        topics: The topics that are read.
        lag: Returns the records that are not committed, by topic and partition number; NaN if that is not known yet.
        states: Returns whether each task of this process runs, by partition number.
        is_connected: Returns whether a broker is connected.
        unknown_deleters: Returns the deletions by somebody whom no column names, by topic.
    """

    def __init__(
        self,
        topics: Iterable[str],
        lag: Callable[[], Mapping[tuple[str, int], float]],
        states: Callable[[], Mapping[int, bool]],
        is_connected: Callable[[], bool],
        unknown_deleters: Callable[[], Mapping[str, int]],
    ) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Info("volteface_build", "What runs", registry=self.registry).info({"version": version("volteface")})
        self._events = Counter("volteface_bridge_events", "Events written", ["topic", "type"], registry=self.registry)
        self._refused = Counter(
            "volteface_bridge_refused", "Records that became dead letters", ["topic", "reason"], registry=self.registry
        )
        self._ignored = Counter(
            "volteface_bridge_ignored", "Records without an event", ["topic", "reason"], registry=self.registry
        )
        self._records = Counter("volteface_bridge_records", "Records that were read", registry=self.registry)
        self._expired = Counter(
            "volteface_bridge_expired_records", "Records that expired before they were read", ["topic"],
            registry=self.registry,
        )  # fmt: skip
        self._failures = Counter("volteface_bridge_task_failures", "Tasks that failed", registry=self.registry)
        self._seconds = Histogram(
            "volteface_bridge_commit_seconds", "Time of one transaction", buckets=_SECONDS, registry=self.registry
        )
        self._latest_at: dict[int, float] = {}
        for topic in topics:  # from zero, so that the first one is an increase
            self._expired.labels(topic)
            for reason in Refusal:
                self._refused.labels(topic, reason)
        self.registry.register(_Present(lag, states, is_connected, unknown_deleters, self._latest_at))

    def committed(self, partition: int, records: int, seconds: float, outcome: Outcome) -> None:
        """Count what a transaction held."""
        self._records.inc(records)
        self._seconds.observe(seconds)
        for counter, its in (
            (self._events, outcome.events), (self._refused, outcome.refused), (self._ignored, outcome.ignored),
        ):  # fmt: skip
            for labels, count in its.items():
                counter.labels(*labels).inc(count)
        if outcome.latest_at is not None:
            self._latest_at[partition] = outcome.latest_at

    def expired(self, topic: str, count: int) -> None:
        """Count records that expired before they were read."""
        self._expired.labels(topic).inc(count)

    def failed(self, partition: int, error: BaseException) -> None:
        """Count a task that failed."""
        self._failures.inc()

    def group_offsets_reset(self) -> None:
        """Do nothing: the bridge has no state beside the group's offsets."""

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the page for Prometheus and its content type."""
        return exposition(self.registry, accept)


class _Present:
    """The gauges, which are read when the page is asked for."""

    def __init__(
        self,
        lag: Callable[[], Mapping[tuple[str, int], float]],
        states: Callable[[], Mapping[int, bool]],
        is_connected: Callable[[], bool],
        unknown_deleters: Callable[[], Mapping[str, int]],
        latest_at: Mapping[int, float],
    ) -> None:
        self._lag, self._states, self._is_connected = lag, states, is_connected
        self._unknown_deleters, self._latest_at = unknown_deleters, latest_at

    def describe(self) -> list[Metric]:
        """Return nothing: the names are not known to collide."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield the present values."""
        lag = GaugeMetricFamily("volteface_bridge_lag_records", "Records to be read", labels=["topic", "partition"])
        for (topic, partition), records in self._lag().items():
            lag.add_metric([topic, str(partition)], records)
        yield lag
        running = GaugeMetricFamily("volteface_bridge_task_running", "1 while a task runs", labels=["partition"])
        for number, is_running in self._states().items():
            running.add_metric([str(number)], is_running)
        yield running
        yield GaugeMetricFamily("volteface_kafka_reachable", "1 while a broker is connected", self._is_connected())
        deleters = GaugeMetricFamily(
            "volteface_bridge_unknown_deleters",
            "Deletions since the start by somebody whom no column names; they count as the platform's",
            labels=["topic"],
        )
        for topic, count in self._unknown_deleters().items():
            deleters.add_metric([topic], count)
        yield deleters
        latest = GaugeMetricFamily(
            "volteface_bridge_event_time_seconds", "Latest time of an event that was written", labels=["partition"]
        )
        for number, at in self._latest_at.items():
            latest.add_metric([str(number)], at)
        yield latest
