"""The output of the simulator: event lines in the order of arrival, and the truth about cheats and groups.

Invariant: the same events and the same truth give the same bytes.
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
from stream.market.truth import AnyGroupRow

_EPOCH: Final = dt.datetime(1970, 1, 1)  # naive, for `rfc3339`


@dataclass(frozen=True)
class Market:
    """Events as JSON lines, in the order of arrival, and the truth about the cheats: sellers, then staff."""

    lines: list[bytes]
    truth: list[Cheat]
    #: The names of each seller's confounders, cheats included, to attribute false alarms. In no file.
    confounders: dict[str, list[str]]
    #: The parameters; with a real background the scenario is `background`.
    run: Run
    #: The truth about groups of sellers: rings, extortionists, honest groups.
    groups: list[AnyGroupRow] = field(default_factory=list)

    def write(self, out: Path, truth: Path) -> None:
        """Write both files, compressed if the name ends in `.gz`."""
        _write(out, self.lines)
        _write(truth, (msgspec.json.encode(row) + b"\n" for row in (*self.truth, *self.groups)))


@dataclass
class MarketBuilder:
    """Collects the events and the truth of a market."""

    run: Run
    _lines: list[bytes] = field(default_factory=list)
    _arrivals: list[int] = field(default_factory=list)
    _sellers: list[Cheat] = field(default_factory=list)
    confounders: dict[str, list[str]] = field(default_factory=dict)
    #: By insider and what the insider sold: the start times of the buyers' deals, and the ids of the reviews.
    _staff: dict[tuple[str, str], tuple[list[float], list[str]]] = field(default_factory=dict)

    def add_event(self, event: dict[str, Any], arrivals_ms: Iterable[int]) -> None:
        """Add an event, once for each arrival (epoch milliseconds)."""
        line = msgspec.json.encode(event) + b"\n"
        for arrival in arrivals_ms:
            self._lines.append(line)
            self._arrivals.append(arrival)

    def add_cheat(self, seller_id: str, kind: str, deal: Deal, paid: list[str]) -> None:
        """Record a seller that cheats by itself, and what the deal's insider sold.

        Args:
            paid: The ids of the reviews whose flip or removal was paid.
        """
        self.add_seller(seller_id, kind, deal.since, [] if deal.channel == "removal" else paid)
        self.add_deal(deal, paid)

    def add_seller(self, seller_id: str, kind: str, since: float, flips: list[str]) -> None:
        """Record a cheating seller with the ids of the reviews whose flip was paid."""
        self._sellers.append(Cheat(seller_id=seller_id, kind=kind, run=self.run, **_truth_fields(since, flips)))

    def add_deal(self, deal: Deal, paid: list[str]) -> None:
        """Record what the deal's insider sold."""
        self.add_sale(deal.actor_id, "removals" if deal.channel == "removal" else deal.channel, deal.since, paid)

    def add_sale(self, actor_id: str, sold: str, since: float, reviews: list[str]) -> None:
        """Record what an insider sold to one seller; nothing if there is no insider or no success."""
        if actor_id and reviews:
            starts, sold_reviews = self._staff.setdefault((actor_id, sold), ([], []))
            starts.append(since)
            sold_reviews += reviews

    def build(self, groups: list[AnyGroupRow] | None = None) -> Market:
        """Return the market.

        Args:
            groups: The truth about its groups.
        """
        # Stable: events of one millisecond keep the order of cause and effect.
        order = np.argsort(np.array(self._arrivals, dtype=np.int64), kind="stable")
        staff = [
            Cheat(actor_id=actor_id, kind=kind, run=self.run, **_truth_fields(min(starts), reviews))
            for (actor_id, kind), (starts, reviews) in sorted(self._staff.items())
        ]
        lines = [self._lines[place] for place in order]
        return Market(lines, self._sellers + staff, self.confounders, self.run, groups or [])


def _truth_fields(since: float, reviews: list[str]) -> dict[str, Any]:
    return {"started_at": rfc3339(int(since * 1000)), "paid_flips": len(reviews), "paid_review_ids": reviews}


def rfc3339(at_ms: int) -> str:
    """Format epoch milliseconds as RFC 3339 in UTC."""
    return (_EPOCH + dt.timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds") + "Z"


def _write(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines; a compressed file has no name and no time in its header, so that equal markets are equal files."""
    with ExitStack() as stack:
        file: BinaryIO = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
            file = cast(BinaryIO, stack.enter_context(packed))
        file.writelines(lines)
