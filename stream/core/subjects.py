"""A seller as a subject: its reviews at risk by cell, its expected flips, its history of flips, its voice.

Rule of this room: expected flips are settled lazily. Each held cell remembers where the norm's hazard and clock
stood when it was last settled; what came since is added before anything about the cell changes, at O(1).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from stream.core.bands import ARM_OF, ARMS, DAY
from stream.core.evidence import EMPTY, WINDOWS, Floats
from stream.core.norm import Norm

#: Memory of the expected flips that set a voice.
VOICE_SECONDS: Final = 60 * DAY
#: A seller with more of a band's voices than this has no peers there.
ALONE: Final = 0.5


class Flip(msgspec.Struct, array_like=True, gc=False):
    """What an alert tells about one flip."""

    at: float
    review_id: str
    stars: float
    retracted: bool
    incentive: bool
    contact_hours: float | None


class Seller:
    """One seller's account; `held` maps a cell to [reviews, hazard mark, clock mark]."""

    __slots__ = (
        "alerted_at",
        "expected",
        "expected_long",
        "first_seen",
        "flips",
        "flips_by_arm",
        "held",
        "history",
        "log_odds",
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
        self.voice = 1.0
        self.held: dict[int, list[float]] = {}
        self.flips_by_arm = [0.0] * ARMS
        self.expected = [0.0] * ARMS
        self.expected_long = [0.0] * ARMS
        self.retracted_by_arm = [0.0] * ARMS
        self.spoken = 0.0  # expected flips, with VOICE_SECONDS' memory
        self.spoken_at = first_seen
        self.spoken_total = 0.0
        self.log_odds: list[float] = []
        self.alerted_at: dict[str, float] = {}
        self.history: Floats = EMPTY
        self.flips: list[Flip] = []
        #: Open critical reviews of each reviewer, for outreach that names no review.
        self.reviewers: dict[str, list[str]] = {}

    def in_band(self, band: int) -> int:
        """Reviews held in a band."""
        plain, looked_up = self.held.get(2 * band), self.held.get(2 * band + 1)
        return int((plain[0] if plain else 0) + (looked_up[0] if looked_up else 0))

    def settle(self, band: int, norm: Norm) -> None:
        """Add what the norm expects of this seller's reviews in `band` since they were last settled."""
        share = norm.share(band, self.voice, self.in_band(band))
        leave_out = 1.0 if share > ALONE else 1.0 / (1.0 - share)
        hazard, clock = norm.hazard[band], norm.clock[band]
        for cell in (2 * band, 2 * band + 1):
            entry = self.held.get(cell)
            if entry is not None:
                arm = ARM_OF[cell]
                self.expected[arm] += entry[0] * (hazard - entry[1]) * leave_out
                self.expected_long[arm] += entry[0] * (clock - entry[2])
                entry[1], entry[2] = hazard, clock

    def move(self, cell: int, reviews: int, norm: Norm, now: float) -> None:
        """Take reviews into a cell, or (negative) out of it."""
        band = cell >> 1
        norm.touch(band, now)
        self.settle(band, norm)
        entry = self.held.setdefault(cell, [0, norm.hazard[band], norm.clock[band]])
        entry[0] += reviews
        if not entry[0]:
            del self.held[cell]
        norm.move(band, self.voice, reviews)

    def settle_all(self, norm: Norm, now: float) -> None:
        """Settle every band held."""
        for band in sorted({cell >> 1 for cell in self.held}):
            norm.touch(band, now)
            self.settle(band, norm)

    def flip(self, cell: int, flip: Flip, norm: Norm) -> None:
        """One of its reviews in `cell` flips; all bands are settled. A subject's own flip is not its own norm."""
        band, arm = cell >> 1, ARM_OF[cell]
        last = self.flips[-1].at if self.flips else self.first_seen
        row = np.array([[flip.at, flip.at - last, *self.totals()]])
        self.history = np.concatenate((self.history, row))[-WINDOWS:]
        self.flips = [*self.flips, flip][-WINDOWS:]
        alone = norm.share(band, self.voice, self.in_band(band)) > ALONE
        norm.flip(band, self.voice)
        norm.count(flip.retracted)
        if not alone:
            for own in (2 * band, 2 * band + 1):
                if own in self.held:
                    self.held[own][1] = norm.hazard[band]
        self.flips_by_arm[arm] += 1
        self.retracted_by_arm[arm] += flip.retracted

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
        for band in sorted({cell >> 1 for cell in self.held}):
            norm.revoice(band, voice - self.voice, self.in_band(band))
        self.voice = voice
