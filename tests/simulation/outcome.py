"""The outcome of a run, read from the log alone, and its differences from the outcome of a clean run.

Invariant: for a backlog the outcome must equal a clean run's, byte for byte. For a live feed the order of events
depends on when they were read, so only the properties that hold in any order are compared.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random
from typing import Any, Final

import msgspec

from stream.engine.task import Task
from tests.simulation.checkpoint_store import ReadOnlyCheckpointStore
from tests.simulation.cluster import SETTINGS, Cluster, Variant
from tests.simulation.input_markets import InputMarket, input_market
from tests.simulation.kafka_log import Log
from tests.simulation.small_trees import small_trees
from tests.simulation.worker import run_to_end, shared_intake

_OFFSET: Final = "__streams.errors.offset"
_decode_alert = msgspec.json.Decoder(dict[str, Any]).decode


class Outcome(msgspec.Struct):
    """The committed results of a run."""

    #: The digest of each task's state.
    digests: list[str]
    #: For each task: events applied, duplicates, dead letters of the input.
    counts: list[tuple[int, int, int]]
    #: For each task the last day that it has announced as over.
    days: list[int]
    #: All alerts, sorted; an id may occur more than once.
    alerts: list[bytes]
    #: Dead letters, each with its count.
    dead_letters: Counter[tuple[Any, ...]]
    #: Number of records in the input topics.
    input_records: int

    @property
    def alert_ids(self) -> list[str]:
        return [_decode_alert(alert)["alert_id"] for alert in self.alerts]


def read_outcome(log: Log, partition_count: int) -> Outcome:
    """Read the outcome from the log, as a new owner of each partition would."""
    tasks = []
    for partition in range(partition_count):
        store = ReadOnlyCheckpointStore(log, SETTINGS, partition, partition_count)
        task = Task(partition, SETTINGS, shared_intake(SETTINGS, partition_count), store, lambda: 0.0)
        run_to_end(task.restore())
        tasks.append(task)
    return Outcome(
        digests=[task.detector.state.digest() for task in tasks],
        counts=[_counts(task) for task in tasks],
        days=[task.detector.state.announced_through for task in tasks],
        alerts=sorted(record.value or b"" for record in log.committed_records(SETTINGS.alerts_topic)),
        dead_letters=_dead_letters(log),
        input_records=sum(len(log.committed_records(topic)) for topic in SETTINGS.input_topics),
    )


def _counts(task: Task) -> tuple[int, int, int]:
    counts = task.detector.state.counts
    return counts["applied"], counts["duplicate"], _dead_input(task)


def _dead_input(task: Task) -> int:
    return sum(count for name, count in task.dead.items() if name.partition("/")[0] in SETTINGS.input_topics)


def _dead_letters(log: Log) -> Counter[tuple[Any, ...]]:
    """Count all dead letters, without the original's offset: it depends on the producer's aborted transactions."""
    found: Counter[tuple[Any, ...]] = Counter()
    for topic in SETTINGS.read_topics:
        name = SETTINGS.dead_letter_topic(topic)
        for record in log.committed_records(name):
            headers = tuple(header for header in record.headers if header[0] != _OFFSET)
            found[name, record.key, record.value, headers] += 1
    return found


@cache
def clean_outcome(scenario: str, number: int) -> Outcome:
    """Return the outcome of a market without faults."""
    with small_trees():
        cluster = Cluster(input_market(scenario, number), Random(0), False, Variant())
        cluster.rebalance()
        assert cluster.run_until_idle() is not None, "a clean run does not finish"
        return read_outcome(cluster.log, cluster.market.partition_count)


def differences(market: InputMarket, found: Outcome, live: bool) -> list[str]:
    """Describe every difference from the outcome of a clean run."""
    expected = clean_outcome(market.scenario, market.number)
    problems = list(_count_differences(found, expected))
    repeated = [name for name, count in Counter(found.alert_ids).items() if count > 1]
    if repeated:
        problems.append(f"alerts committed more than once: {repeated}")
    if found.dead_letters != expected.dead_letters:
        extra, missing = found.dead_letters - expected.dead_letters, expected.dead_letters - found.dead_letters
        problems.append(f"dead letters: {len(extra)} too many, {len(missing)} missing")
    if len(set(found.days)) > 1:
        problems.append(f"not all tasks have announced the same days: {found.days}")
    if live:
        return problems
    if found.digests != expected.digests:
        problems.append(f"states: {found.digests}, of a clean run {expected.digests}")
    if found.alert_ids != expected.alert_ids:
        problems.append(f"alerts: {found.alert_ids}, of a clean run {expected.alert_ids}")
    elif found.alerts != expected.alerts:
        problems.append("alerts have the same ids and other contents")
    return problems


def _count_differences(found: Outcome, expected: Outcome) -> list[str]:
    problems = []
    total = sum(map(sum, found.counts))
    if found.input_records != expected.input_records or total != found.input_records:
        problems.append(f"{found.input_records} input records, {total} applied, dropped as duplicates or dead")
    if found.counts != expected.counts:
        problems.append(f"applied, duplicates, dead: {found.counts}, of a clean run {expected.counts}")
    return problems
