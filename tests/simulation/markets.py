"""What is fed: small seeded markets with much to find in them, garbage between, and producers that send twice.

Rule of this room: a market depends on its scenario and its number only, and is made once. Uncritical reviews that
nothing happens to are mostly left out: they are nine tenths of the events, and decide nothing.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from stream.intake.partition import partition_of
from stream.market.cheats import Run
from stream.market.scenarios import Cheats, Dirt, Scenario
from stream.market.simulate import make
from stream.ops.lines import stream_of

DAY: Final = 86_400.0
#: Different markets of a scenario; a seed takes one of them.
VARIANTS: Final = 8
#: Of the events, so many are followed by garbage, and so many are sent a second time, at most so many records later.
_GARBAGE: Final = 0.02
_TWICE: Final = 0.02
_LATER: Final = 300
#: Percentage of the uncritical reviews that are kept.
_KEPT: Final = 3


class Size(NamedTuple):
    """A scenario: how its market is made, in how many partitions."""

    ways: Scenario
    sellers: int
    days: int
    partitions: int


def _cheats(*kinds: str) -> Cheats:
    """Half of the sellers cheat, so that there is something to find in a few hundred events."""
    return Cheats(share=0.5, kinds=kinds, leaking=1)


SIZES: Final = {
    "access": Size(Scenario(cheats=_cheats("leaked")), 6, 60, 3),
    "dirty": Size(
        Scenario(cheats=_cheats("leaked", "bribes"), dirt=Dirt(duplicates=0.03, disorder_seconds=8.0, late=0.002)),
        6, 50, 3,
    ),
    "removals": Size(Scenario(cheats=_cheats("removals")), 8, 90, 3),
    # Two sellers, so that some partitions never see an event.
    "sparse": Size(Scenario(cheats=_cheats("leaked")), 2, 60, 4),
    # Long enough for staff to be accused, and for the accusation to count DELAY_DAYS later.
    "accused": Size(Scenario(cheats=_cheats("leaked")), 10, 110, 4),
}  # fmt: skip


class Sent(NamedTuple):
    """A record of an input stream; `at` is the time of its event, or of the one before it."""

    at: float
    stream: int
    partition: int
    key: bytes | None
    value: bytes | None
    good: bool = True


class Market(NamedTuple):
    """All records in the order of their arrival."""

    scenario: str
    number: int
    partitions: int
    sent: list[Sent]

    @property
    def over(self) -> float:
        """A time at which its last day is past."""
        return max(one.at for one in self.sent) + 3 * DAY


@cache
def market(scenario: str, number: int) -> Market:
    """The market of that number."""
    size, chance = SIZES[scenario], Random(number)
    made = make(size.ways, Run(scenario, number + 1, size.sellers, size.days, 0))
    sent: list[Sent] = []
    for one in _telling([line.rstrip() for line in made.lines], size.partitions):
        sent.append(one)
        if chance.random() < _GARBAGE:
            sent.append(_garbage(chance, one, size.partitions)._replace(good=False))
    for place in sorted((at for at in range(len(sent)) if chance.random() < _TWICE), reverse=True):
        sent.insert(place + chance.randint(1, _LATER), sent[place])
    return Market(scenario, number, size.partitions, sent)


def _telling(lines: list[bytes], partitions: int) -> Iterator[Sent]:
    """The lines about reviews of which something is to be told."""
    events: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
    eventful = {
        event.get("review_id")
        for event in events
        if event["type"] in ("review.edited", "review.deleted")
        or (event["type"] == "review.created" and event["rating"] <= 3)
    }
    for line, event in zip(lines, events, strict=True):
        review_id = event.get("review_id")
        if review_id in eventful or review_id is None or zlib.crc32(review_id.encode()) % 100 < _KEPT:
            at = dt.datetime.fromisoformat(event["occurred_at"]).timestamp()
            seller = event["seller_id"]
            yield Sent(at, stream_of(event["type"]), partition_of(seller, partitions), seller.encode(), line)


def _garbage(chance: Random, good: Sent, partitions: int) -> Sent:
    """A record that cannot be used, made of one that can."""
    assert good.value is not None
    year = b'"occurred_at":"2'
    return chance.choice(
        (
            good._replace(value=b"garbage"),
            good._replace(value=None),
            good._replace(key=None, value=None),
            good._replace(key=b"nobody"),
            good._replace(partition=(good.partition + 1) % partitions),
            good._replace(stream=(good.stream + 1) % 3),
            good._replace(value=good.value.replace(year + b"0", year + b"8")),
        )
    )
