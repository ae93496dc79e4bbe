"""The norm: flips of a band shared out among those who could have had them.

Rule of this room: at a flip of seller s in band b, L_b += g_s / G_b, where g is a seller's voice and G_b the sum of
the voices at risk. With the same weights above and below this is a weighted Nelson-Aalen estimate (Aalen 1978),
unbiased for voices chosen beforehand; censoring is handled and a surge of the whole market cancels. Beside it each
band keeps the long run: h_b, flips per unit of voice and second with a year's memory, and a clock C_b that advances
by h_b dt, which tells what a subject would have had "had nothing changed in the market".

h_b is fixed once a day of event time, from the days before: what happens today cannot explain itself.

A look-up makes no band, for rogues would be their own norm; but honest staff look up what they then solve. So what the
bands expect of looked-up reviews is multiplied by the market's *lift* when a subject is weighed: the looked-up flips
there were, in voices, over those that the bands expected (a year's memory), without what the subject itself has added
to either, so that nobody excuses himself.
"""

from __future__ import annotations

import math

from stream.core.bands import BANDS, DAY
from stream.core.reports import Sums, weight_of

#: Keeps, day by day, a memory of a year.
_KEEP_A_DAY = math.exp(-1 / 365)

#: Flips in voices, of as many expected, that keep a lift of few flips finite; `watches` knows how uncertain it is.
_LIFT_PRIOR = 0.5


class Band:
    """What a task knows of one band of its market."""

    __slots__ = ("clock", "exposure", "flips", "hazard", "looked_up", "rate", "reviews", "today", "voices")

    def __init__(self) -> None:
        self.hazard = 0.0  # L_b: expected flips of one review that was always at risk in b
        self.voices = 0.0  # G_b
        self.looked_up = 0.0  # the part of G_b that stands for reviews which were looked up
        self.reviews = 0  # reviews at risk; tells exactly when G_b is zero
        self.clock = 0.0  # C_b as this day began
        self.rate = 0.0  # h_b, per second, through this day
        self.flips = 0.0  # sum of g over the flips, decayed
        self.exposure = 0.0  # integral of G_b dt in voice-seconds up to this day, decayed
        #: What today's integral is more or less than G_b times the day: a voice that comes adds -g (time of day).
        self.today = 0.0

    def end_day(self, day_seconds: float) -> None:
        """Bring clock and exposure to midnight, fade the long run, and fix its rate for the new day."""
        self.clock += self.rate * day_seconds
        self.exposure = (self.exposure + self.voices * day_seconds + self.today) * _KEEP_A_DAY
        self.today = 0.0
        self.flips *= _KEEP_A_DAY
        self.rate = self.flips / self.exposure if self.exposure > 0 else 0.0

    def share(self, voice: float, reviews: int) -> float:
        """The part of the band's voices that is one seller's."""
        voices = self.voices
        if voices <= 0:
            return 1.0
        share = voice * reviews / voices
        return share if share < 1.0 else 1.0

    def flip(self, voice: float) -> None:
        """A review of the band, of a seller with that voice, has flipped."""
        if self.voices > 0:
            self.hazard += voice / self.voices
        self.flips += voice


class Norm:
    """What a task knows of its market."""

    def __init__(self) -> None:
        self.bands = [Band() for _ in range(BANDS)]
        self.day_began = 0.0
        self.next_day = 0.0
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
                band.end_day(self.next_day - self.day_began)
            self.day_began = self.next_day
            self.next_day += DAY
        self.fresh = weight_of(self.day_began // DAY)

    def flips_per_second(self) -> float:
        """Flips that the long run says are to be expected of all reviews now at risk."""
        return sum(band.rate * band.reviews for band in self.bands)

    def flip(self, band: Band, voice: float, looked_up: bool, retracted: bool) -> None:
        """A review of the band, of a seller with that voice, has flipped."""
        today = self.today
        if band.voices > 0:
            expected = self.fresh * voice * band.looked_up / band.voices
            self.looked_up_expected += expected
            today.looked_up_expected += expected
        if looked_up:
            self.looked_up_flips += self.fresh * voice
            today.looked_up_flips += self.fresh * voice
        band.flip(voice)
        self.total_flips += 1
        self.total_retracted += retracted
        today.flips += 1
        today.retracted += retracted

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
