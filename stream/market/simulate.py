"""A seeded market as a file: all sellers' stories, put in the order in which they arrive.

Rule of this room: a seller's life depends on the seed and on its own number only, so markets of different sizes share
their sellers, and the same arguments give the same bytes. Who cheats is decided by number, lowest first: detectors
see ids as keys and nothing more.
"""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec
import numpy as np

from stream.market import cheats, dirt, honest, story
from stream.market.cheats import Cheat, Run
from stream.market.hazards import DAY
from stream.market.scenarios import SCENARIOS, Scenario, find

__all__ = ["SCENARIOS", "START", "Market", "market", "simulate", "write"]

#: Every run begins here.
START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()
_EPOCH: Final = dt.datetime(1970, 1, 1)  # naive, for `_written`


@dataclass(frozen=True)
class Market:
    """Events as JSON lines, in the order of their arrival, and the truth about the cheats."""

    lines: list[bytes]
    truth: list[Cheat]

    def write(self, out: Path, truth: Path) -> None:
        """Write both files, compressed if the name ends in `.gz`."""
        _write(out, self.lines)
        _write(truth, (msgspec.json.encode(cheat) + b"\n" for cheat in self.truth))


def simulate(scenario: str, seed: int, sellers: int, days: int) -> Market:
    """Make a market; ValueError for a scenario that is not known."""
    ways = find(scenario)
    run = Run(scenario, seed, sellers, days)
    cheating = cheats.count(ways.bribes, sellers)
    lines: list[bytes] = []
    arrivals: list[int] = []
    truth: list[Cheat] = []
    for number, seeds in enumerate(np.random.SeedSequence(seed).spawn(sellers)):
        cheat = _live(ways, run, number, number < cheating, seeds, lines, arrivals)
        truth += [cheat] if cheat else []
    # Stable: what arrives in one millisecond stays in the order of cause and effect.
    order = np.argsort(np.array(arrivals, dtype=np.int64), kind="stable")
    return Market([lines[place] for place in order], truth)


def market(scenario: str, seed: int, sellers: int, days: int) -> tuple[list[dict[str, Any]], list[Cheat]]:
    """The same, with events as plain objects."""
    made = simulate(scenario, seed, sellers, days)
    return [msgspec.json.decode(line) for line in made.lines], made.truth


def write(scenario: str, seed: int, sellers: int, days: int, out: Path, truth: Path) -> int:
    """Make a market and write it; the number of lines of `out`.

    `truth` has one JSON line for each cheat: seller_id, kind, started_at, paid_flips, paid_review_ids, and the run's
    parameters in the field `run`. An honest market's truth is an empty file.
    """
    made = simulate(scenario, seed, sellers, days)
    made.write(out, truth)
    return len(made.lines)


def _live(
    ways: Scenario,
    run: Run,
    number: int,
    cheating: bool,
    seeds: np.random.SeedSequence,
    lines: list[bytes],
    arrivals: list[int],
) -> Cheat | None:
    """Live one seller's life: its events are added to `lines` with their arrivals; the truth, if it cheats."""
    honestly, dishonestly, telling, delivering = (np.random.default_rng(each) for each in seeds.spawn(4))
    until = START + run.days * DAY
    seller = honest.seller(ways.honest, number, honestly)
    reviews = honest.reviews(ways.honest, seller, START, until, honestly)
    since = cheats.bribe(ways.bribes, seller, reviews, START, until, dishonestly) if cheating else None
    paid: list[str] = []
    count = 0
    for review in reviews:
        known = telling.random() < ways.honest.previous_known
        told, bought = story.tell(seller, review, until, known)
        if bought:
            paid.append(story.review_id(seller, review))
        for at, fields in told:
            at_ms = int(at * 1000)
            event = {"event_id": f"{seller.seller_id}-{count:x}", "occurred_at": _written(at_ms), **fields}
            line = msgspec.json.encode(event) + b"\n"
            for arrival in dirt.arrivals(ways.dirt, at_ms, delivering):
                lines.append(line)
                arrivals.append(arrival)
            count += 1
    return (
        None if since is None else Cheat(seller.seller_id, "bribes", _written(int(since * 1000)), len(paid), paid, run)
    )


def _written(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return (_EPOCH + dt.timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds") + "Z"


def _write(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines; a compressed file holds no name and no time, so that equal markets are equal files."""
    with ExitStack() as stack:
        file: BinaryIO = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
            file = cast(BinaryIO, stack.enter_context(packed))
        file.writelines(lines)
