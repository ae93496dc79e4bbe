"""What a run has come to, and how it differs from what it should have: from the log alone, as anybody could read it.

Rule of this room: of input that was there before it was read all must be equal to a clean run's, byte for byte. Of a
live feed the order of events depends on when they were read, so only what must hold in any order is asked for.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random
from typing import Any, Final

import msgspec

from stream.engine.task import Task
from tests.simulation.ledger import Reader
from tests.simulation.log import Log
from tests.simulation.markets import Market, market
from tests.simulation.trees import low_trees
from tests.simulation.worker import intake, run_out
from tests.simulation.world import SETTINGS, Parts, World

_REASON: Final = "volteface.reason"
_OFFSET: Final = "__streams.errors.offset"
_alert_id = msgspec.json.Decoder(dict[str, Any]).decode


class Outcome(msgspec.Struct):
    """What is committed."""

    digests: list[str]
    #: For each task: applied, duplicates, dead letters of the input.
    counts: list[tuple[int, int, int]]
    #: For each task the last day that it has told others is over.
    days: list[int]
    #: Alerts in the order of their ids, one or more of each.
    alerts: list[bytes]
    dead: Counter[tuple[Any, ...]]
    fed: int

    @property
    def alert_ids(self) -> list[str]:
        return [_alert_id(alert)["alert_id"] for alert in self.alerts]


def outcome(log: Log, partitions: int) -> Outcome:
    """Read it back, as a new owner of each partition would."""
    tasks = []
    for partition in range(partitions):
        ledger = Reader(log, SETTINGS, partition, partitions)
        task = Task(partition, SETTINGS, intake(SETTINGS, partitions), ledger, lambda: 0.0)
        run_out(task.restore())
        tasks.append(task)
    return Outcome(
        digests=[task.detector.digest() for task in tasks],
        counts=[_counts(task) for task in tasks],
        days=[task.detector.told for task in tasks],
        alerts=sorted(entry.value or b"" for entry in log.all_of(SETTINGS.alerts_topic)),
        dead=_letters(log),
        fed=sum(len(log.all_of(topic)) for topic in SETTINGS.input_topics),
    )


def _counts(task: Task) -> tuple[int, int, int]:
    counts = task.detector.counts
    return counts["applied"], counts["duplicate"], _dead(task)


def _dead(task: Task) -> int:
    return sum(count for name, count in task.dead.items() if name.partition("/")[0] in SETTINGS.input_topics)


def _letters(log: Log) -> Counter[tuple[Any, ...]]:
    """All dead letters; where the original lay depends on what else the producer tried."""
    letters: Counter[tuple[Any, ...]] = Counter()
    for topic in SETTINGS.read_topics:
        name = SETTINGS.dead_letter_topic(topic)
        for entry in log.all_of(name):
            letters[name, entry.key, entry.value, tuple(one for one in entry.headers if one[0] != _OFFSET)] += 1
    return letters


@cache
def clean(scenario: str, number: int) -> Outcome:
    """What becomes of a market if nothing goes wrong."""
    with low_trees():
        world = World(market(scenario, number), Random(0), False, Parts())
        world.rebalance()
        assert world.calm() is not None, "a clean run does not come to its end"
        return outcome(world.log, world.market.partitions)


def differences(market: Market, found: Outcome, live: bool) -> list[str]:
    """What is not as it should be, in words."""
    wanted = clean(market.scenario, market.number)
    told = list(_sums(found, wanted))
    twice = [name for name, count in Counter(found.alert_ids).items() if count > 1]
    if twice:
        told.append(f"alerts committed more than once: {twice}")
    if found.dead != wanted.dead:
        told.append(f"dead letters: {len(found.dead - wanted.dead)} too many, {len(wanted.dead - found.dead)} missing")
    if len(set(found.days)) > 1:
        told.append(f"not all tasks have told the same days: {found.days}")
    if live:
        return told
    if found.digests != wanted.digests:
        told.append(f"states: {found.digests}, of a clean run {wanted.digests}")
    if found.alert_ids != wanted.alert_ids:
        told.append(f"alerts: {found.alert_ids}, of a clean run {wanted.alert_ids}")
    elif found.alerts != wanted.alerts:
        told.append("alerts of the same ids tell something else")
    return told


def _sums(found: Outcome, wanted: Outcome) -> list[str]:
    told = []
    total = sum(map(sum, found.counts))
    if found.fed != wanted.fed or total != found.fed:
        told.append(f"{found.fed} records fed, {total} applied, dropped as duplicates or dead")
    if found.counts != wanted.counts:
        told.append(f"applied, duplicates, dead: {found.counts}, of a clean run {wanted.counts}")
    return told
