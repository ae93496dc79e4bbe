"""A seller as a subject: its reviews at risk by cell, its expected flips, its history of flips, its voice.

Rule of this room: expected flips follow from sums of clocks, at O(1) for each review that comes or goes; they are
settled only where somebody asks, and nothing is done for a seller in between.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import vec
from mypy_extensions import mypyc_attr

from stream.core.bands import ARM_OF, ARMS, DAY
from stream.core.births import Births
from stream.core.flips import Flip
from stream.core.norm import SILENCE, Norm
from stream.core.past import WINDOWS, appended, log_prior

#: Memory of the expected flips that set a voice.
VOICE_SECONDS: Final = 60 * DAY
#: A seller of whom more than this part of the flips of an arm is to be expected has no peers there.
ALONE: Final = 0.5


@mypyc_attr(acyclic=True)
class Held:
    """A seller's reviews in one band, not looked up and looked up.

    Of n reviews that came when the long run's clock stood at C_i it expects n C - sum C_i, and `long_...` holds
    - sum C_i; `now_...` does the same for the clock that goes with the market's tempo.
    """

    __slots__ = ("long_looked_up", "long_plain", "looked_up", "now_looked_up", "now_plain", "plain")

    def __init__(
        self,
        plain: int,
        looked_up: int,
        now_plain: float,
        now_looked_up: float,
        long_plain: float,
        long_looked_up: float,
    ) -> None:
        self.plain = plain
        self.looked_up = looked_up
        self.now_plain = now_plain
        self.now_looked_up = now_looked_up
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
        "unshared",
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
        self.unshared = [0.0] * ARMS  # expected by all, itself included, since its last settling
        self.retracted_by_arm = [0.0] * ARMS
        self.looked_up_flips = 0.0  # its part in the norm's
        self.looked_up_expected = 0.0
        self.spoken = 0.0  # expected flips, with VOICE_SECONDS' memory
        self.spoken_at = first_seen
        self.spoken_total = 0.0
        self.log_odds: list[float] = []
        self.alerted_at: dict[str, float] = {}
        self.history = vec[float]()  # rows of COLUMNS, see `past`
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
        rate, voice = band.rate, self.voice
        held = self.held.get(number)
        if held is None:
            held = self.held[number] = Held(0, 0, 0.0, 0.0, 0.0, 0.0)
        if cell & 1:
            held.looked_up += 1
            held.long_looked_up -= band.clock + rate * day_seconds
            held.now_looked_up -= band.now + rate * norm.tempo
            band.looked_up += voice
            norm.looked_up_vigor += rate * voice
        else:
            held.plain += 1
            held.long_plain -= band.clock + rate * day_seconds
            held.now_plain -= band.now + rate * norm.tempo
        band.reviews += 1
        band.voices += voice
        band.today -= voice * day_seconds
        norm.vigor += rate * voice

    def leave(self, cell: int, norm: Norm, now: float) -> None:
        """One of its reviews goes out of a cell."""
        number = cell >> 1
        band, day_seconds = norm.bands[number], now - norm.day_began
        rate, voice = band.rate, self.voice
        held = self.held[number]
        if cell & 1:
            held.looked_up -= 1
            held.long_looked_up += band.clock + rate * day_seconds
            held.now_looked_up += band.now + rate * norm.tempo
            band.looked_up -= voice
            norm.looked_up_vigor -= rate * voice
        else:
            held.plain -= 1
            held.long_plain += band.clock + rate * day_seconds
            held.now_plain += band.now + rate * norm.tempo
        if not held.plain and not held.looked_up:
            plain, looked_up = ARM_OF[2 * number], ARM_OF[2 * number + 1]
            self.expected_long[plain] += held.long_plain
            self.expected_long[looked_up] += held.long_looked_up
            self.unshared[plain] += held.now_plain
            self.unshared[looked_up] += held.now_looked_up
            self.looked_up_expected += norm.fresh * voice * held.now_looked_up
            del self.held[number]
        band.reviews -= 1
        if band.reviews:
            band.voices -= voice
        else:
            band.voices = band.looked_up = 0.0
        band.today += voice * day_seconds
        norm.vigor -= rate * voice

    def expected_rate(self, norm: Norm) -> float:
        """Flips a second that the long run says are to be expected of its reviews at risk."""
        own = 0.0
        for number in sorted(self.held):  # in order: sums of floats depend on it, and digests on sums
            held = self.held[number]
            own += norm.bands[number].rate * (held.plain + held.looked_up)
        return own

    def share(self, norm: Norm) -> float:
        """The part of the market's vigor that is its own."""
        if norm.vigor <= SILENCE:
            return 1.0
        return min(1.0, self.voice * self.expected_rate(norm) / norm.vigor)

    def per_peer_flip(self, norm: Norm) -> float:
        """How many flips are to be expected of it for each one of all others."""
        own = self.expected_rate(norm)
        return own / max(norm.flips_per_second() - own, SILENCE)

    def settle_all(self, norm: Norm, now: float) -> None:
        """Bring all that is expected of it up to now."""
        day_seconds, unshared = now - norm.day_began, self.unshared
        for number in sorted(self.held):
            held, band = self.held[number], norm.bands[number]
            plain, looked_up = ARM_OF[2 * number], ARM_OF[2 * number + 1]
            clock = band.clock + band.rate * day_seconds
            self.expected_long[plain] += held.plain * clock + held.long_plain
            self.expected_long[looked_up] += held.looked_up * clock + held.long_looked_up
            held.long_plain, held.long_looked_up = -held.plain * clock, -held.looked_up * clock
            clock = band.now + band.rate * norm.tempo
            of_looked_up = held.looked_up * clock + held.now_looked_up
            unshared[plain] += held.plain * clock + held.now_plain
            unshared[looked_up] += of_looked_up
            self.looked_up_expected += norm.fresh * self.voice * of_looked_up
            held.now_plain, held.now_looked_up = -held.plain * clock, -held.looked_up * clock
        share = self.share(norm)
        # Nobody is its own peer: of the others' flips the others' vigor had a part, not all.
        others = 1.0 / (1.0 - share) if share <= ALONE else 1.0
        for arm in range(ARMS):
            self.expected[arm] += unshared[arm] * others
            unshared[arm] = 0.0

    def flip(self, cell: int, flip: Flip, norm: Norm) -> None:
        """One of its reviews in `cell` flips; all bands are settled."""
        arm = ARM_OF[cell]
        last = self.flips[-1].at if self.flips else self.first_seen
        self.history = appended(self.history, [flip.at, log_prior(flip.at - last), flip.born_at, *self.totals()])
        self.flips = [*self.flips, flip][-WINDOWS:]
        self.flip_count += 1
        share = self._share_of_arm(ARM_OF[cell & ~1], norm)
        if share > ALONE:  # there is nobody to compare it with: what it does is what is to be expected
            self.expected[arm] += share
        step = norm.flip(norm.bands[cell >> 1], self.voice, bool(cell & 1), flip.retracted)
        if cell & 1:
            self.looked_up_flips += norm.fresh * self.voice
        for number in sorted(self.held):  # its own flip makes nothing expected of it
            held, skipped = self.held[number], norm.bands[number].rate * step
            self.looked_up_expected += norm.fresh * self.voice * held.looked_up * skipped
            held.now_plain -= held.plain * skipped
            held.now_looked_up -= held.looked_up * skipped
        self.flips_by_arm[arm] += 1
        self.retracted_by_arm[arm] += flip.retracted

    def _share_of_arm(self, arm: int, norm: Norm) -> float:
        """The part of an arm's vigor that is its own; what is looked up counts where it would lie without."""
        own = vigor = 0.0
        for number, band in enumerate(norm.bands):
            if ARM_OF[2 * number] == arm:
                vigor += band.rate * band.voices
                held = self.held.get(number)
                if held is not None:
                    own += band.rate * (held.plain + held.looked_up)
        return min(1.0, self.voice * own / vigor) if vigor > SILENCE else 1.0

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
        louder = voice - self.voice
        for number in sorted(self.held):
            held, band = self.held[number], norm.bands[number]
            change = louder * (held.plain + held.looked_up)
            band.voices += change
            band.looked_up += louder * held.looked_up
            norm.vigor += change * band.rate
            norm.looked_up_vigor += louder * held.looked_up * band.rate
            band.today -= change * (now - norm.day_began)
        self.voice = voice
