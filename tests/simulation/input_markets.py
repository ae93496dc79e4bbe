"""The input of a run: small seeded markets with many flips, and verdicts of analysts; garbage and repeated records.

Invariant: a market depends only on its scenario and its number, and is simulated once. Most uncritical reviews without
further events are left out: they are nine tenths of the events and decide nothing.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from stream.config import Settings
from stream.contract.events import STREAMS, AnyEvent
from stream.intake.partition import partition_of
from stream.market.cheats import Run
from stream.market.scenarios import Cheats, Delivery, Scenario
from stream.market.simulate import make
from stream.ops.event_files import head, stream_of
from tests.market_verdicts import ConcludingTasks, among, case_events
from tests.simulation.small_trees import small_trees

#: A large budget of false alarms, so that small markets have alerts too.
SETTINGS: Final = Settings(app_id="simulated", alert_budget=1000)
DAY: Final = 86_400.0
#: Number of different markets of a scenario; a seed takes one of them.
VARIANTS: Final = 8
#: The share of events that are followed by garbage.
_GARBAGE_SHARE: Final = 0.02
#: The share of records that are sent a second time, and at most how many records later.
_REPEATED_SHARE: Final = 0.02
_REPEATED_WITHIN: Final = 300
#: Percentage of the uncritical reviews that are kept.
_KEPT_PERCENT: Final = 3
_decode: Final = msgspec.json.Decoder(AnyEvent).decode


class MarketSpec(NamedTuple):
    """A scenario, its size, and the number of partitions of the input topics."""

    scenario: Scenario
    sellers: int
    days: int
    partition_count: int


def _cheats(*kinds: str) -> Cheats:
    """Half of the sellers cheat, so that a few hundred events contain cheats to find."""
    return Cheats(share=0.5, kinds=kinds, leaking=1)


MARKET_SPECS: Final = {
    "access": MarketSpec(Scenario(cheats=_cheats("leaked")), 6, 60, 3),
    "dirty": MarketSpec(
        Scenario(
            cheats=_cheats("leaked", "bribes"),
            delivery=Delivery(duplicates=0.03, disorder_seconds=8.0, late=0.002),
        ),
        6, 50, 3,
    ),
    "removals": MarketSpec(Scenario(cheats=_cheats("removals")), 8, 90, 3),
    # Two sellers, so that some partitions receive no event.
    "sparse": MarketSpec(Scenario(cheats=_cheats("leaked")), 2, 60, 4),
    # Long enough for an alert about staff, and for the accusation to count DELAY_DAYS later.
    "accused": MarketSpec(Scenario(cheats=_cheats("leaked")), 10, 110, 4),
}  # fmt: skip


class InputRecord(NamedTuple):
    """A record of an input stream."""

    #: Event time of this record, or of the event before it for garbage; epoch seconds.
    at: float
    stream: int
    partition: int
    key: bytes | None
    value: bytes | None
    #: False for garbage.
    valid: bool = True


class InputMarket(NamedTuple):
    """All records of a market in the order of their arrival."""

    scenario: str
    number: int
    partition_count: int
    records: list[InputRecord]

    @property
    def end(self) -> float:
        """A time after the market's last day, epoch seconds."""
        return max(record.at for record in self.records) + 3 * DAY


@cache
def input_market(scenario: str, number: int) -> InputMarket:
    """Return the market of a scenario and a number."""
    spec, chance = MARKET_SPECS[scenario], Random(number)
    market = make(spec.scenario, Run(scenario, number + 1, spec.sellers, spec.days, 0))
    cheats = {cheat.actor_id or cheat.seller_id for cheat in market.truth}
    relevant = list(_relevant([line.rstrip() for line in market.lines]))
    lines = _with_verdicts(relevant, spec.partition_count, cheats, number)
    records: list[InputRecord] = []
    for record in [_record(line, spec.partition_count) for line in lines]:
        records.append(record)
        if chance.random() < _GARBAGE_SHARE:
            records.append(_garbage(chance, record, spec.partition_count)._replace(valid=False))
    repeated = [index for index in range(len(records)) if chance.random() < _REPEATED_SHARE]
    for index in sorted(repeated, reverse=True):
        records.insert(index + chance.randint(1, _REPEATED_WITHIN), records[index])
    return InputMarket(scenario, number, spec.partition_count, records)


def _with_verdicts(lines: list[bytes], partition_count: int, cheats: set[str], number: int) -> list[bytes]:
    """Return a market with what analysts send about its cases."""
    with small_trees():
        tasks = ConcludingTasks(SETTINGS.alert_budget, SETTINGS.config_digest, partition_count)
        sent = case_events([_decode(line) for line in lines], tasks, cheats, Random(number), disorder=True)
    return among(lines, _time, [(at, msgspec.json.encode(event)) for at, event in sent])


def _time(line: bytes) -> dt.datetime:
    return dt.datetime.fromisoformat(head(line).occurred_at or "")


def _record(line: bytes, partition_count: int) -> InputRecord:
    """Return the record that a producer makes of an event."""
    top = head(line)
    assert top.key is not None
    partition = partition_of(top.key, partition_count)
    return InputRecord(_time(line).timestamp(), stream_of(top.type), partition, top.key.encode(), line)


def _relevant(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the events of critical, edited and deleted reviews, and of a few others."""
    events: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
    relevant = {
        event.get("review_id")
        for event in events
        if event["type"] in ("review.edited", "review.deleted")
        or (event["type"] == "review.created" and event["rating"] <= 3)
    }
    for line, event in zip(lines, events, strict=True):
        review_id = event.get("review_id")
        if review_id in relevant or review_id is None or zlib.crc32(review_id.encode()) % 100 < _KEPT_PERCENT:
            yield line


def _garbage(chance: Random, valid: InputRecord, partition_count: int) -> InputRecord:
    """Return a record that intake refuses, derived from a valid one."""
    assert valid.value is not None
    year = b'"occurred_at":"2'
    return chance.choice(
        (
            valid._replace(value=b"garbage"),
            valid._replace(value=None),
            valid._replace(key=None, value=None),
            valid._replace(key=b"nobody"),
            valid._replace(partition=(valid.partition + 1) % partition_count),
            valid._replace(stream=(valid.stream + 1) % len(STREAMS)),
            valid._replace(value=valid.value.replace(year + b"0", year + b"8")),
        )
    )
