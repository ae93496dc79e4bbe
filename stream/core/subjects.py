"""A seller as a subject: its reviews at risk by cell, its expected flips, its history of flips, its voice.

Rule of this room: expected flips are settled lazily, at O(1): what the norm has come to expect of a band's reviews
since they were last settled is added before their number changes, and nothing is done for a seller in between.
"""

from __future__ import annotations

import math
from typing import Final

from stream.core.bands import ARM_OF, ARMS, DAY
from stream.core.evidence import EMPTY, WINDOWS, appended, log_prior
from stream.core.excuses import Births, Floats
from stream.core.flips import Flip
from stream.core.norm import Norm

#: Memory of the expected flips that set a voice.
VOICE_SECONDS: Final = 60 * DAY
#: A seller with more of a band's voices than this has no peers there.
ALONE: Final = 0.5


class Held:
    """A seller's reviews in one band, not looked up and looked up.

    `hazard` is where the band's L stood when last settled. The long run needs no settling at every change: of n
    reviews that came at clocks C_i it expects n C - sum C_i, and `long_...` holds - sum C_i.
    """

    __slots__ = ("hazard", "long_looked_up", "long_plain", "looked_up", "plain")

    def __init__(self, plain: int, looked_up: int, hazard: float, long_plain: float, long_looked_up: float) -> None:
        self.plain = plain
        self.looked_up = looked_up
        self.hazard = hazard
        self.long_plain = long_plain
        self.long_looked_up = long_looked_up


class Seller:
    """One seller's account; `held` has an entry for each band in which it has reviews at risk."""

    __slots__ = (
        "alerted_at",
        "births",
        "expected",
        "expected_long",
        "first_seen",
        "flip_count",
        "flips",
        "flips_by_arm",
        "held",
        "history",
        "log_odds",
        "looked_up_expected",
        "looked_up_flips",
        "retracted_by_arm",
        "reviewers",
        "seller_id",
        "spoken",
        "spoken_at",
        "spoken_total",
        "voice",
    )

    def __init__(self, seller_id: str, first_seen: float) -> None:
        self.seller_id = seller_id
        self.first_seen = first_seen
        self.births = Births(int(first_seen // DAY))
        self.voice = 1.0
        self.held: dict[int, Held] = {}
        self.flips_by_arm = [0.0] * ARMS
        self.expected = [0.0] * ARMS
        self.expected_long = [0.0] * ARMS
        self.retracted_by_arm = [0.0] * ARMS
        self.looked_up_flips = 0.0  # its part in the norm's
        self.looked_up_expected = 0.0
        self.spoken = 0.0  # expected flips, with VOICE_SECONDS' memory
        self.spoken_at = first_seen
        self.spoken_total = 0.0
        self.log_odds: list[float] = []
        self.alerted_at: dict[str, float] = {}
        self.history: Floats = EMPTY
        self.flips: list[Flip] = []
        self.flip_count = 0
        #: Open critical reviews of each reviewer, for outreach that names no review.
        self.reviewers: dict[str, tuple[str, ...]] = {}

    def follow(self, reviewer_id: str, review_id: str) -> None:
        """A review of that reviewer is open."""
        self.reviewers[reviewer_id] = (*self.reviewers.get(reviewer_id, ()), review_id)

    def unfollow(self, reviewer_id: str, review_id: str) -> None:
        """It no longer is."""
        left = tuple(each for each in self.reviewers[reviewer_id] if each != review_id)
        if left:
            self.reviewers[reviewer_id] = left
        else:
            del self.reviewers[reviewer_id]

    def open_ids(self) -> list[str]:
        """Its open critical reviews, in order of their ids."""
        return sorted(review_id for ids in self.reviewers.values() for review_id in ids)

    def enter(self, cell: int, norm: Norm, now: float) -> None:
        """One of its reviews comes into a cell. (Written out, as `leave`: they run oftener than there are events.)"""
        number = cell >> 1
        band, day_seconds = norm.bands[number], now - norm.day_began
        held = self.held.get(number)
        if held is None:
            held = self.held[number] = Held(0, 0, band.hazard, 0.0, 0.0)
        elif held.hazard != band.hazard:
            self._settle_peers(number, held, norm)
        if cell & 1:
            held.looked_up += 1
            band.looked_up += self.voice
            held.long_looked_up -= band.clock + band.rate * day_seconds
        else:
            held.plain += 1
            held.long_plain -= band.clock + band.rate * day_seconds
        voice = self.voice
        band.reviews += 1
        band.voices += voice
        band.today -= voice * day_seconds

    def leave(self, cell: int, norm: Norm, now: float) -> None:
        """One of its reviews goes out of a cell."""
        number = cell >> 1
        band, day_seconds = norm.bands[number], now - norm.day_began
        held = self.held[number]
        if held.hazard != band.hazard:
            self._settle_peers(number, held, norm)
        if cell & 1:
            held.looked_up -= 1
            band.looked_up -= self.voice
            held.long_looked_up += band.clock + band.rate * day_seconds
        else:
            held.plain -= 1
            held.long_plain += band.clock + band.rate * day_seconds
        if not held.plain and not held.looked_up:
            self.expected_long[ARM_OF[2 * number]] += held.long_plain
            self.expected_long[ARM_OF[2 * number + 1]] += held.long_looked_up
            del self.held[number]
        voice = self.voice
        band.reviews -= 1
        if band.reviews:
            band.voices -= voice
        else:
            band.voices = band.looked_up = 0.0
        band.today += voice * day_seconds

    def _settle_peers(self, number: int, held: Held, norm: Norm) -> None:
        """Add what peers' flips make expected of what it holds, before that changes."""
        band = norm.bands[number]
        peers = band.hazard - held.hazard
        held.hazard = band.hazard
        if held.looked_up:
            self.looked_up_expected += norm.fresh * self.voice * held.looked_up * peers
        share = band.share(self.voice, held.plain + held.looked_up)
        if share <= ALONE:
            peers /= 1.0 - share
        self.expected[ARM_OF[2 * number]] += held.plain * peers
        self.expected[ARM_OF[2 * number + 1]] += held.looked_up * peers

    def settle_all(self, norm: Norm, now: float) -> None:
        """Bring all that is expected of it up to now."""
        day_seconds = now - norm.day_began
        for number in sorted(self.held):  # in order: sums of floats depend on it, and digests on sums
            held, band = self.held[number], norm.bands[number]
            if held.hazard != band.hazard:
                self._settle_peers(number, held, norm)
            clock = band.clock + band.rate * day_seconds
            self.expected_long[ARM_OF[2 * number]] += held.plain * clock + held.long_plain
            self.expected_long[ARM_OF[2 * number + 1]] += held.looked_up * clock + held.long_looked_up
            held.long_plain, held.long_looked_up = -held.plain * clock, -held.looked_up * clock

    def flip(self, cell: int, flip: Flip, norm: Norm) -> None:
        """One of its reviews in `cell` flips; all bands are settled. A subject's own flip is not its own norm."""
        number, arm = cell >> 1, ARM_OF[cell]
        last = self.flips[-1].at if self.flips else self.first_seen
        self.history = appended(self.history, [flip.at, log_prior(flip.at - last), flip.born_at, *self.totals()])
        self.flips = [*self.flips, flip][-WINDOWS:]
        self.flip_count += 1
        band, held = norm.bands[number], self.held[number]
        alone = band.share(self.voice, held.plain + held.looked_up) > ALONE
        norm.flip(band, self.voice, bool(cell & 1), flip.retracted)
        if cell & 1:
            self.looked_up_flips += norm.fresh * self.voice
        if not alone:
            self.looked_up_expected += norm.fresh * self.voice * held.looked_up * (band.hazard - held.hazard)
            held.hazard = band.hazard
        self.flips_by_arm[arm] += 1
        self.retracted_by_arm[arm] += flip.retracted

    def level(self, but: int) -> float:
        """Flips over those expected by peers, with one of each added, in all arms but one."""
        flips = sum(self.flips_by_arm) - self.flips_by_arm[but]
        return (flips + 1) / (sum(self.expected) - self.expected[but] + 1)

    def silent_since(self, horizon: float) -> bool:
        """Whether it has no open review and nothing has happened to it since then."""
        last = self.flips[-1].at if self.flips else self.first_seen
        return not self.held and not self.reviewers and last < horizon

    def totals(self) -> list[float]:
        """Flips, expected by peers, expected by the long run, retracted: ARMS numbers each."""
        return [*self.flips_by_arm, *self.expected, *self.expected_long, *self.retracted_by_arm]

    def speak(self, log_odds: list[float], norm: Norm, now: float) -> None:
        """Set the voice anew from what it has been expected to do and from the evidence against it.

        g = P(honest) / (1 + A/2): as in a random-effects mean a giant is one voice among others, and a suspect
        falls silent, in what it did and in what it held.
        """
        total = sum(self.expected)
        fade = math.exp(-(now - self.spoken_at) / VOICE_SECONDS)
        self.spoken = self.spoken * fade + total - self.spoken_total
        self.spoken_at, self.spoken_total = now, total
        self.log_odds = log_odds
        honest = 1.0 / (1.0 + math.exp(min(max(log_odds), 700.0)))
        voice = honest / (1.0 + self.spoken / 2)
        for number, held in self.held.items():
            band, louder = norm.bands[number], voice - self.voice
            change = louder * (held.plain + held.looked_up)
            band.voices += change
            band.looked_up += louder * held.looked_up
            band.today -= change * (now - norm.day_began)
        self.voice = voice
