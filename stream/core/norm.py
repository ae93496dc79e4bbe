"""The norm: flips of a band shared out among those who could have had them.

Rule of this room: at a flip of seller s in band b, L_b += g_s / G_b, where g is a seller's voice and G_b the sum of
the voices at risk. With the same weights above and below this is a weighted Nelson-Aalen estimate (Aalen 1978),
unbiased for voices chosen beforehand; censoring is handled and a surge of the whole market cancels. Beside it each
band keeps the long run: h_b, flips per unit of voice and second with a year's memory, and a clock C_b that advances
by h_b dt, which tells what a subject would have had "had nothing changed in the market".

h_b is fixed once a day of event time, from the days before: what happens today cannot explain itself.
"""

from __future__ import annotations

import math

from stream.core.bands import BANDS, DAY

#: Keeps, day by day, a memory of a year.
_KEEP_A_DAY = math.exp(-1 / 365)


class Norm:
    """What a task knows of its market: one entry a band in every list."""

    def __init__(self) -> None:
        self.hazard = [0.0] * BANDS  # L_b: expected flips of one review that was always at risk in b
        self.voices = [0.0] * BANDS  # G_b
        self.reviews = [0] * BANDS  # reviews at risk; tells exactly when G_b is zero
        self.clock = [0.0] * BANDS  # C_b
        self.rate = [0.0] * BANDS  # h_b, per second, as of the last midnight
        self.flips = [0.0] * BANDS  # sum of g over the flips, decayed
        self.exposure = [0.0] * BANDS  # integral of G_b dt in voice-seconds, decayed
        self.touched_at = [0.0] * BANDS
        self.next_day = 0.0
        self.total_flips = 0
        self.total_retracted = 0

    def start(self, now: float) -> None:
        """Begin at the first event's time."""
        self.touched_at = [now] * BANDS
        self.next_day = (now // DAY + 1) * DAY

    def touch(self, band: int, now: float) -> None:
        """Bring a band's clock and exposure up to `now`; due before anything about the band changes."""
        passed_seconds = now - self.touched_at[band]
        if passed_seconds > 0:
            self.clock[band] += self.rate[band] * passed_seconds
            self.exposure[band] += self.voices[band] * passed_seconds
            self.touched_at[band] = now

    def roll(self, now: float) -> None:
        """Pass all midnights up to `now`: age the long run and fix its rates for the new day."""
        while self.next_day <= now:
            for band in range(BANDS):
                self.touch(band, self.next_day)
                self.flips[band] *= _KEEP_A_DAY
                self.exposure[band] *= _KEEP_A_DAY
                seen = self.exposure[band]
                self.rate[band] = self.flips[band] / seen if seen > 0 else 0.0
            self.next_day += DAY

    def move(self, band: int, voice: float, reviews: int) -> None:
        """Count `reviews` of a seller with that voice in (or, negative, out)."""
        self.reviews[band] += reviews
        self.voices[band] = self.voices[band] + voice * reviews if self.reviews[band] else 0.0

    def revoice(self, band: int, change: float, reviews: int) -> None:
        """A seller who holds `reviews` of the band speaks louder or lower by `change`."""
        self.voices[band] += change * reviews

    def share(self, band: int, voice: float, reviews: int) -> float:
        """The part of the band's voices that is one seller's."""
        total = self.voices[band]
        return min(1.0, voice * reviews / total) if total > 0 else 1.0

    def flip(self, band: int, voice: float) -> None:
        """A review of the band, of a seller with that voice, has flipped."""
        if self.voices[band] > 0:
            self.hazard[band] += voice / self.voices[band]
        self.flips[band] += voice

    def count(self, retracted: bool) -> None:
        """Tally a flip for the market's share of retractions."""
        self.total_flips += 1
        self.total_retracted += retracted
