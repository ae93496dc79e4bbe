"""The norm: how readily the reviews of each band flip, and how fast the market as a whole goes just now.

Rule of this room: a band's rate h_b is flips per unit of voice and second, with a year's memory, fixed once a day of
event time from the days before: what happens today cannot explain itself. On it stand two clocks of each band. C_b
advances by h_b dt: what a review would have had "had nothing changed in the market". M_b advances by h_b dT, where
the market's *tempo* T goes on by g_s / V at a flip of seller s: g is a seller's voice, and V, the market's vigor, the
sum of h_b G_b with G_b the voices at risk in b. That is Breslow's estimate for hazards that are known but for a common
factor (Breslow 1972): with the same weights above and below unbiased for voices chosen beforehand, censoring is
handled, and a surge of the whole market cancels. It pools all bands, so that a few dozen sellers are peers enough.

A look-up makes no band, for rogues would be their own norm; but honest staff look up what they then solve. So what the
bands expect of looked-up reviews is multiplied by the market's *lift* when a subject is weighed: the looked-up flips
there were, in voices, over those that the bands expected (a year's memory), without what the subject itself has added
to either, so that nobody excuses himself.
"""

from __future__ import annotations

import math
from typing import Final

from stream.core.bands import AGES, BANDS, DAY, PLACES
from stream.core.reports import Sums, weight_of

#: Keeps, day by day, a memory of a year.
_KEEP_A_DAY: Final = math.exp(-1 / 365)

#: Flips a day that are to be expected where nothing is known yet, by place: a tenth in the first hour and thousandths
#: after a week; a contact brings some back. It weighs as much as one flip.
_USUAL_AGES: Final[tuple[float, ...]] = (0.1, 0.03, 0.007, 0.002, 0.001, 0.0007, 0.0004, 0.0003)
_USUAL_CONTACTS: Final[tuple[float, ...]] = (0.05, 0.03, 0.012, 0.006, 0.003)
_USUAL: Final[tuple[float, ...]] = tuple(
    each / DAY for each in _USUAL_AGES + _USUAL_CONTACTS * ((PLACES - AGES) // len(_USUAL_CONTACTS))
)
#: Stars of one place differ little: a band's rate is its place's, as if that were known from so many flips.
_ALIKE: Final = 4.0

#: A market of less vigor has no voice at all: what is left is rounding, or sellers whom nobody believes.
SILENCE: Final = 1e-30

#: Flips in voices, of as many expected, that keep a lift of few flips finite; `watches` knows how uncertain it is.
_LIFT_PRIOR: Final = 0.5


class Band:
    """What a task knows of one band of its market."""

    __slots__ = ("clock", "exposure", "flips", "looked_up", "now", "rate", "reviews", "today", "voices")

    def __init__(self, rate: float) -> None:
        self.voices = 0.0  # G_b
        self.looked_up = 0.0  # the part of G_b that stands for reviews which were looked up
        self.reviews = 0  # reviews at risk; tells exactly when G_b is zero
        self.clock = 0.0  # C_b as this day began
        self.now = 0.0  # M_b as this day began
        self.rate = rate  # h_b, per second, through this day
        self.flips = 0.0  # sum of g over the flips, decayed
        self.exposure = 0.0  # integral of G_b dt in voice-seconds up to this day, decayed
        #: What today's integral is more or less than G_b times the day: a voice that comes adds -g (time of day).
        self.today = 0.0

    def end_day(self, day_seconds: float, tempo: float) -> None:
        """Bring the clocks and the exposure to midnight, and fade the long run."""
        self.clock += self.rate * day_seconds
        self.now += self.rate * tempo
        self.exposure = (self.exposure + self.voices * day_seconds + self.today) * _KEEP_A_DAY
        self.today = 0.0
        self.flips *= _KEEP_A_DAY


class Norm:
    """What a task knows of its market."""

    def __init__(self) -> None:
        self.bands = [Band(_USUAL[number % PLACES]) for number in range(BANDS)]
        self.day_began = 0.0
        self.next_day = 0.0
        self.tempo = 0.0  # T since this day began
        self.vigor = 0.0  # V: in voices, the flips a second that are to be expected of the market
        self.looked_up_vigor = 0.0  # the part of V that stands for reviews which were looked up
        #: Looked-up flips, and those that the bands expected, in voices times `fresh`, the present day's weight
        #: (`reports.weight_of`). So a subject's part in them can be told apart later.
        self.looked_up_flips = 0.0
        self.looked_up_expected = 0.0
        self.fresh = 1.0
        self.total_flips = 0
        self.total_retracted = 0
        #: What the present day has added, for the readers of staff evidence.
        self.today = Sums()

    def start(self, now: float) -> None:
        """Begin at the first event's time."""
        self.day_began = now
        self.next_day = (now // DAY + 1) * DAY
        self.fresh = weight_of(now // DAY)

    def roll(self, now: float) -> None:
        """Pass all midnights up to `now`."""
        while self.next_day <= now:
            for band in self.bands:
                band.end_day(self.next_day - self.day_began, self.tempo)
            self.tempo = 0.0
            self._fix_rates()
            self.day_began = self.next_day
            self.next_day += DAY
        self.fresh = weight_of(self.day_began // DAY)

    def _fix_rates(self) -> None:
        """Fix the new day's rates: each is drawn to its place's over all stars, and that to what is usual."""
        bands = self.bands
        reviews = sum([band.reviews for band in bands])
        # What a flip of the present market is in voices: among giants they are low, and a flip tells little.
        flip = sum([band.voices for band in bands]) / reviews if reviews else 1.0
        for place in range(PLACES):
            flips, exposure = flip, flip / _USUAL[place]
            for number in range(place, BANDS, PLACES):
                flips += bands[number].flips
                exposure += bands[number].exposure
            for number in range(place, BANDS, PLACES):
                band = bands[number]
                band.rate = (band.flips + _ALIKE * flip) / (band.exposure + _ALIKE * flip * exposure / flips)
        # Added up anew, so that no rounding outlives a day.
        self.vigor = sum([band.rate * band.voices for band in bands])
        self.looked_up_vigor = sum([band.rate * band.looked_up for band in bands])

    def flips_per_second(self) -> float:
        """Flips that the long run says are to be expected of all reviews now at risk."""
        flips = 0.0
        for band in self.bands:
            flips += band.rate * band.reviews
        return flips

    def flip(self, band: Band, voice: float, looked_up: bool, retracted: bool) -> float:
        """A review of the band, of a seller with that voice, has flipped; how far the tempo goes on by it."""
        today, step = self.today, 0.0
        if self.vigor > SILENCE:
            step = voice / self.vigor
            expected = self.fresh * step * self.looked_up_vigor
            self.looked_up_expected += expected
            today.looked_up_expected += expected
        if looked_up:
            self.looked_up_flips += self.fresh * voice
            today.looked_up_flips += self.fresh * voice
        band.flips += voice
        self.tempo += step
        self.total_flips += 1
        self.total_retracted += retracted
        today.flips += 1
        today.retracted += retracted
        return step

    def lift(self, own_flips: float, own_expected: float) -> float:
        """What others' looked-up reviews say of how readily such reviews flip; see `lift`."""
        return lift(self.looked_up_flips - own_flips, self.looked_up_expected - own_expected, self.fresh)

    def retracted_share(self, own_flips: float, own_retracted: float) -> float:
        """The share of retractions among the flips of others."""
        return retracted_share(self.total_flips - own_flips, self.total_retracted - own_retracted)


def lift(flips: float, expected: float, weight: float) -> float:
    """How many times as often looked-up reviews flip as their bands expect, 1 at least.

    Both times a day's weight. What is own and was left out may be more than there is, by rounding.
    """
    return max(1.0, (max(flips, 0.0) / weight + _LIFT_PRIOR) / (max(expected, 0.0) / weight + _LIFT_PRIOR))


def retracted_share(flips: float, retracted: float) -> float:
    """The share of retractions among so many flips of others.

    Laplace's rule with the weight of five flips, one of them a retraction, for a market that has shown few.
    """
    return (retracted + 1) / (flips + 5)
