"""What a member of staff removed: for sale it is bad reviews that go, in honest work it is whatever breaks the rules.

Rule of this room: each removal by hand makes as much of a critical one expected as what others remove is critical, so
how much somebody removes is no evidence, and a sweep through all of a seller's reviews speaks for whoever makes it.
Windows begin once a day: moderators remove a hundred reviews a day, and the last WINDOWS of them would be no past.
"""

from __future__ import annotations

import math

from stream.core.bands import DAY
from stream.core.evidence import LEAD, STAFF_EMPTY, WINDOWS, appended, log_prior
from stream.core.excuses import Floats
from stream.core.flips import Flip
from stream.core.norm import Norm


class Removals:
    """One member's account; `said...` is what he or she has told the norm, in voices."""

    __slots__ = ("critical", "expected", "history", "kept", "last_at", "said", "said_critical")

    def __init__(self) -> None:
        self.critical = 0
        self.expected = 0.0
        self.said = 0.0
        self.said_critical = 0.0
        self.last_at = -math.inf
        self.history: Floats = STAFF_EMPTY
        self.kept: list[Flip] = []

    def remove(self, removed: Flip | None, at: float, first_seen: float, log_odds: float, norm: Norm) -> None:
        """Take a removal; `removed` tells of a critical one, and is None for another. log_odds: the evidence so far."""
        share = norm.removed_share(self.said, self.said_critical)
        if removed is not None:
            last = float(self.history[-1, 0]) if len(self.history) else first_seen
            if at >= last + DAY or not len(self.history):
                self.history = appended(self.history, [at, log_prior(at - last), removed.born_at, *self.totals()])
            self.kept = [*self.kept, removed][-WINDOWS:]
            self.critical += 1
        self.expected += share
        self.last_at = at
        voice = 1.0 / (1.0 + math.exp(min(log_odds, 700.0)))
        norm.remove(voice, removed is not None)
        self.said += voice
        self.said_critical += voice if removed is not None else 0.0

    def since(self, window: int) -> tuple[int, list[Flip]]:
        """The critical removals since a window began: their number, and those that are kept."""
        began, before = float(self.history[window, 0]), float(self.history[window, LEAD])
        return self.critical - int(before), [each for each in self.kept if each.at >= began]

    def totals(self) -> list[float]:
        """Critical removals, those expected (by the one story that there is, twice), none retracted."""
        return [float(self.critical), self.expected, self.expected, 0.0]
