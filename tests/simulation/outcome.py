"""The outcome of a run, read from the log alone, and its differences from the outcome of a clean run.

Invariant: for a backlog the outcome must equal that of a clean run of all records that the state must have processed,
byte for byte. For a live feed the order of events depends on when they were read, so only the properties that hold in
any order are compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from random import Random
from types import MappingProxyType
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from stream.contract.cases import Case
from stream.engine.record_limits import RecordLimits
from stream.engine.task import Task
from stream.intake.dead_letters import DeadLetter, Part, incoming
from tests.simulation.case_records import case_problems, latest_cases, unplaced, written
from tests.simulation.checkpoint_store import ReadOnlyCheckpointStore
from tests.simulation.cluster import Cluster, Variant
from tests.simulation.input_markets import SETTINGS, InputMarket, InputRecord, input_market
from tests.simulation.kafka_log import Log
from tests.simulation.small_trees import small_trees
from tests.simulation.worker import run_to_end, shared_intake

_ALL: Final[Mapping[TopicPartition, int]] = MappingProxyType({})
_PARTS: Final[tuple[Part, ...]] = ("value", "key", "headers")
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
    #: By id, the cases that the cases topic holds.
    cases: dict[str, Case]
    #: What a reader of the cases topic must not see; the same of every run.
    case_problems: list[str]

    @property
    def alert_ids(self) -> list[str]:
        return [_decode_alert(alert)["alert_id"] for alert in self.alerts]


def read_outcome(log: Log, partition_count: int, since: Mapping[TopicPartition, int] = _ALL) -> Outcome:
    """Read the outcome from the log, as a new owner of each partition would.

    Args:
        log: The simulated Kafka.
        partition_count: The number of tasks.
        since: By partition, the offset of the first alert and of the first dead letter that count.
    """
    tasks = []
    for partition in range(partition_count):
        store = ReadOnlyCheckpointStore(log, SETTINGS, partition, partition_count, RecordLimits())
        task = Task(partition, SETTINGS, shared_intake(SETTINGS, partition_count), store, lambda: 0.0)
        run_to_end(task.restore())
        tasks.append(task)
    written_cases = latest_cases(written(log, SETTINGS.cases_topic, since))
    return Outcome(
        digests=[task.detector.rows.digest() for task in tasks],
        counts=[_counts(task) for task in tasks],
        days=[task.detector.state.announced_through for task in tasks],
        alerts=sorted(record.value or b"" for record in written(log, SETTINGS.alerts_topic, since)),
        dead_letters=_dead_letters(log, since),
        cases={name: unplaced(case) for name, case in written_cases.items()},
        case_problems=case_problems(log, written_cases, tasks, since),
    )


def _counts(task: Task) -> tuple[int, int, int]:
    counts = task.detector.state.counts
    return counts["applied"], counts["duplicate"], _dead_input(task)


def _dead_input(task: Task) -> int:
    return sum(count for name, count in task.dead.items() if name.partition("/")[0] in SETTINGS.input_topics)


def _dead_letters(log: Log, since: Mapping[TopicPartition, int]) -> Counter[tuple[Any, ...]]:
    """Count all dead letters, without the original's offset: it depends on the producer's aborted transactions.

    A part that does not fit into the topic is as good as its size and digest.
    """
    found: Counter[tuple[Any, ...]] = Counter()
    for topic in SETTINGS.read_topics:
        for record in written(log, SETTINGS.dead_letter_topic(topic), since):
            letter = incoming(record.key, record.value, record.headers)
            parts = tuple(_digest(letter, part) for part in _PARTS)
            found[letter.topic, letter.partition, letter.reason, letter.detail, parts] += 1
    return found


def _digest(letter: DeadLetter, part: Part) -> tuple[int, str] | None:
    """Return size and digest of a part of the original, also if the letter does not hold it."""
    if part in letter.left_out:
        return letter.left_out[part].bytes, letter.left_out[part].sha256
    content = letter.value if part == "value" else letter.key
    if part == "headers":
        content = b"".join(name.encode(errors="surrogateescape") + (text or b"") for name, text in letter.headers)
    return None if content is None else (len(content), hashlib.sha256(content).hexdigest())


@cache
def clean_outcome(scenario: str, number: int) -> Outcome:
    """Return the outcome of a market without faults."""
    return _clean_outcome(input_market(scenario, number))


def _clean_outcome(market: InputMarket) -> Outcome:
    with small_trees():
        cluster = Cluster(market, Random(0), False, Variant())
        cluster.rebalance()
        assert cluster.run_until_idle() is not None, "a clean run does not finish"
        return read_outcome(cluster.log, market.partition_count)


def differences(market: InputMarket, processed: list[InputRecord], found: Outcome, live: bool) -> list[str]:
    """Describe every difference from the outcome of a clean run.

    Args:
        market: The market.
        processed: The records that the state must have processed, by partition in order.
        found: The outcome.
        live: Whether the feed was live.
    """
    if len(processed) == len(market.records):
        expected = clean_outcome(market.scenario, market.number)
    else:
        expected = _clean_outcome(market._replace(records=processed))
    problems = [*_count_differences(found, expected, len(processed)), *found.case_problems]
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
    if found.cases != expected.cases:
        different = sorted(
            name for name in found.cases.keys() | expected.cases if found.cases.get(name) != expected.cases.get(name)
        )
        problems.append(f"cases differ from those of a clean run: {different}")
    return problems


def _count_differences(found: Outcome, expected: Outcome, input_records: int) -> list[str]:
    problems = []
    total = sum(map(sum, found.counts))
    if total != input_records:
        problems.append(f"{input_records} input records, {total} applied, dropped as duplicates or dead")
    if found.counts != expected.counts:
        problems.append(f"applied, duplicates, dead: {found.counts}, of a clean run {expected.counts}")
    return problems
