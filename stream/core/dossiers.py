"""What all tasks together know of a member of staff: what became of what he or she looked up, and what was removed.

Rule of this room: plain values, encoded as they are. Within a day everything is expected before anything happens, so
no flip is held against an expectation that came after it.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain

import msgspec
from librt.vecs import vec

from stream.core.bands import DAY
from stream.core.past import WINDOWS, log_prior
from stream.core.reports import Told


class Account(msgspec.Struct):
    """Flips, or critical removals: how many, how many were expected by either story, and the latest of them."""

    count: int = 0
    retracted: int = 0
    expected: float = 0.0
    expected_long: float = 0.0
    history: list[list[float]] = msgspec.field(default_factory=list)
    latest: list[Told] = msgspec.field(default_factory=list)

    def add(self, told: list[Told], first_seen: float, once: bool) -> None:
        """Take a day's, in order of their times; `once`: windows begin with the day's first one only."""
        before = [float(self.expected), float(self.expected_long)]
        for number, one in enumerate(told):
            flip = one.flip
            if not once or not number:
                last = self.history[-1][0] if self.history else first_seen
                row = [flip.at, log_prior(flip.at - last), flip.born_at]
                self.history = [*self.history, [*row, float(self.count), *before, float(self.retracted)]][-WINDOWS:]
            self.count += 1
            self.retracted += flip.retracted
        self.latest = [*self.latest, *told][-WINDOWS:]

    def rows(self) -> vec[float]:
        """Rows of STAFF_COLUMNS, as `evidence` weighs them."""
        return vec[float](list(chain.from_iterable(self.history)))

    def totals(self) -> list[float]:
        """Number, expected by peers, expected by the long run, retracted."""
        return [float(self.count), float(self.expected), float(self.expected_long), float(self.retracted)]

    def since(self, window: int) -> tuple[int, list[Told]]:
        """Those since a window began: their number, and those that are kept."""
        began, before = self.history[window][0], self.history[window][3]
        return self.count - int(before), [one for one in self.latest if one.flip.at >= began]


class Dossier(msgspec.Struct, kw_only=True):
    """One member of staff."""

    version: int
    actor_id: str
    first_seen: float
    flips: Account = msgspec.field(default_factory=Account)
    removals: Account = msgspec.field(default_factory=Account)
    #: Its part in the market's, times each day's weight.
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    removed: float = 0.0
    critical: float = 0.0
    #: ln R of each watch on staff; None before there is any.
    log_odds: list[float | None] = msgspec.field(default_factory=lambda: [None, None])
    alerted_at: dict[str, float] = msgspec.field(default_factory=dict)
    #: What was said of him or her: whose the flips are. Empty before any accusation.
    accused: list[str | None] = msgspec.field(default_factory=list)

    def mostly_of(self) -> str | None:
        """The seller to whom more than three quarters of the kept flips belong."""
        counted = Counter(one.seller_id for one in self.flips.latest)
        most = max(counted.items(), key=lambda item: (item[1], item[0]), default=(None, 0))
        return most[0] if 4 * most[1] > 3 * len(self.flips.latest) else None

    def last_at(self) -> float:
        """When something happened last."""
        latest = [one.flip.at for account in (self.flips, self.removals) for one in account.latest[-1:]]
        return max(latest, default=self.first_seen)

    def top(self) -> float:
        """The largest ln R."""
        return max((value for value in self.log_odds if value is not None), default=-math.inf)


def midnight(day: int) -> float:
    """The end of a day, in epoch seconds."""
    return (day + 1) * DAY
