"""What a market becomes: lines in the order in which they arrive, and the truth about the cheats.

Rule of this room: the same events and the same truth give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec
import numpy as np

from stream.market.cheats import Cheat, Run
from stream.market.payments import Deal

_EPOCH: Final = dt.datetime(1970, 1, 1)  # naive, for `written`


@dataclass(frozen=True)
class Market:
    """Events as JSON lines, in the order of their arrival, and the truth about the cheats: sellers, then staff."""

    lines: list[bytes]
    truth: list[Cheat]
    #: What befell each seller, cheat or not: to tell which confounder a false alarm is about. In no file.
    befallen: dict[str, list[str]]
    #: What it was made from; the scenario of a real background is `background`.
    run: Run

    def write(self, out: Path, truth: Path) -> None:
        """Write both files, compressed if the name ends in `.gz`."""
        _write(out, self.lines)
        _write(truth, (msgspec.json.encode(cheat) + b"\n" for cheat in self.truth))


@dataclass
class Making:
    """A market that is being made."""

    run: Run
    _lines: list[bytes] = field(default_factory=list)
    _arrivals: list[int] = field(default_factory=list)
    _sellers: list[Cheat] = field(default_factory=list)
    befallen: dict[str, list[str]] = field(default_factory=dict)
    #: By member of staff and what he or she sold: the times when it began, and the reviews.
    _staff: dict[tuple[str, str], tuple[list[float], list[str]]] = field(default_factory=dict)

    def deliver(self, event: dict[str, Any], arrivals_ms: Iterable[int]) -> None:
        """Add an event, which arrives once or more often."""
        line = msgspec.json.encode(event) + b"\n"
        for arrival in arrivals_ms:
            self._lines.append(line)
            self._arrivals.append(arrival)

    def judge(self, seller_id: str, kind: str, deal: Deal, paid: list[str]) -> None:
        """Put on record what a seller's cheating came to."""
        flips = [] if deal.channel == "removal" else paid
        cheat = Cheat(seller_id=seller_id, kind=kind, run=self.run, **_figures(deal.since, flips))
        self._sellers.append(cheat)
        if deal.actor_id and paid:  # staff who found no buyer have sold nothing
            sold = "removals" if deal.channel == "removal" else deal.channel
            starts, reviews = self._staff.setdefault((deal.actor_id, sold), ([], []))
            starts.append(deal.since)
            reviews += paid

    def market(self) -> Market:
        """All of it."""
        # Stable: what arrives in one millisecond stays in the order of cause and effect.
        order = np.argsort(np.array(self._arrivals, dtype=np.int64), kind="stable")
        staff = [
            Cheat(actor_id=actor_id, kind=kind, run=self.run, **_figures(min(starts), reviews))
            for (actor_id, kind), (starts, reviews) in sorted(self._staff.items())
        ]
        return Market([self._lines[place] for place in order], self._sellers + staff, self.befallen, self.run)


def _figures(since: float, reviews: list[str]) -> dict[str, Any]:
    return {"started_at": written(int(since * 1000)), "paid_flips": len(reviews), "paid_review_ids": reviews}


def written(at_ms: int) -> str:
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
