"""A member of staff as a subject: the reviews whose authors he or she looked up, what became of them, and removals.

Rule of this room: whoever looked a review up answers for it for REACH_SECONDS, everybody who did alike. What the norm
expects of it is what it expects of any review of its band, times the market's lift of look-ups, times its seller's own
level where that is above 1: staff who serve superb sellers are not rogues. As in `subjects` it is settled lazily.
"""

from __future__ import annotations

import math

from stream.core.bands import REACH_SECONDS
from stream.core.evidence import STAFF_EMPTY, WINDOWS, appended, log_prior
from stream.core.excuses import Floats
from stream.core.flips import Flip
from stream.core.norm import Norm
from stream.core.removals import Removals


class Portion:
    """What a member of staff answers for in one band: `weight` of so many reviews.

    `hazard` is where the band's L stood when last settled, `long` minus the sum of weights times the clocks at which
    they came, as in `subjects.Held`.
    """

    __slots__ = ("hazard", "long", "reviews", "voices", "weight")

    def __init__(self, reviews: int, weight: float, voices: float, hazard: float, long: float) -> None:
        self.reviews = reviews
        self.weight = weight
        self.voices = voices
        self.hazard = hazard
        self.long = long


class Staff:
    """One member's account."""

    __slots__ = (
        "actor_id",
        "alerted_at",
        "expected",
        "expected_long",
        "first_seen",
        "flip_count",
        "flips",
        "held",
        "history",
        "log_odds",
        "looked_up_expected",
        "looked_up_flips",
        "removals",
        "retracted",
    )

    def __init__(self, actor_id: str, first_seen: float) -> None:
        self.actor_id = actor_id
        self.first_seen = first_seen
        self.held: dict[int, Portion] = {}
        self.expected = 0.0
        self.expected_long = 0.0
        self.retracted = 0
        self.looked_up_flips = 0.0  # its part in the norm's
        self.looked_up_expected = 0.0
        self.flip_count = 0
        self.flips: list[Flip] = []
        self.history: Floats = STAFF_EMPTY
        #: Of each watch on staff.
        self.log_odds = [-math.inf, -math.inf]
        self.alerted_at: dict[str, float] = {}
        self.removals = Removals()

    def enter(self, number: int, access: Access, norm: Norm, now: float) -> None:
        """A review comes into band `number`."""
        band = norm.bands[number]
        held = self.held.get(number)
        if held is None:
            held = self.held[number] = Portion(0, 0.0, 0.0, band.hazard, 0.0)
        self._settle_peers(held, number, norm)
        held.reviews += 1
        held.weight += access.weight
        held.voices += access.voice
        held.long -= access.weight * (band.clock + band.rate * (now - norm.day_began))

    def leave(self, number: int, access: Access, norm: Norm, now: float) -> None:
        """A review goes out of band `number`."""
        band, held = norm.bands[number], self.held[number]
        self._settle_peers(held, number, norm)
        held.reviews -= 1
        held.weight -= access.weight
        held.voices -= access.voice
        held.long += access.weight * (band.clock + band.rate * (now - norm.day_began))
        if not held.reviews:
            self.expected_long += held.long
            del self.held[number]

    def _settle_peers(self, held: Portion, number: int, norm: Norm) -> None:
        hazard = norm.bands[number].hazard
        peers = hazard - held.hazard
        self.expected += held.weight * peers
        self.looked_up_expected += norm.fresh * held.voices * peers
        held.hazard = hazard

    def settle_all(self, norm: Norm, now: float) -> None:
        """Bring all that is expected up to now."""
        for number in sorted(self.held):
            held, band = self.held[number], norm.bands[number]
            self._settle_peers(held, number, norm)
            clock = band.clock + band.rate * (now - norm.day_began)
            self.expected_long += held.weight * clock + held.long
            held.long = -held.weight * clock

    def flip(self, flip: Flip, voice: float, norm: Norm) -> None:
        """A review that it answers for has flipped, of a seller with that voice; all is settled.

        Its flips stay in what is expected of it: a support desk looks up a good part of all such reviews, and without
        them little would be left to compare it with.
        """
        last = self.flips[-1].at if self.flips else self.first_seen
        self.history = appended(self.history, [flip.at, log_prior(flip.at - last), flip.born_at, *self.totals()])
        self.flips = [*self.flips, flip][-WINDOWS:]
        self.looked_up_flips += norm.fresh * voice
        self.flip_count += 1
        self.retracted += flip.retracted

    def totals(self) -> list[float]:
        """Flips, expected by peers, expected by the long run, retracted."""
        return [float(self.flip_count), self.expected, self.expected_long, float(self.retracted)]

    def accused_without(self, own: set[str]) -> bool:
        """Whether look-ups raised an alert, and at least a quarter of the kept flips are of other reviews."""
        others = sum(flip.review_id not in own for flip in self.flips)
        return "staff.access_flips" in self.alerted_at and 4 * others >= len(self.flips)

    def remove(self, removed: Flip | None, at: float, norm: Norm) -> None:
        """It removes a review; `removed` tells of a critical one."""
        self.removals.remove(removed, at, self.first_seen, self.log_odds[1], norm)

    def silent_since(self, horizon: float) -> bool:
        """Whether nothing has happened since then, and nothing is left to answer for."""
        last = max(self.flips[-1].at if self.flips else self.first_seen, self.removals.last_at)
        return not self.held and last < horizon


class Access:
    """A look-up of one review by one member of staff, how readily its seller's reviews flip, and the seller's voice."""

    __slots__ = ("at", "staff", "voice", "weight")

    def __init__(self, staff: Staff, at: float, weight: float, voice: float) -> None:
        self.staff = staff
        self.at = at
        self.weight = weight
        self.voice = voice

    def reaches(self, now: float) -> bool:
        """Whether it is still answered for."""
        return now < self.at + REACH_SECONDS
