"""What the latest verdict on a seller changed in what is believed of it."""

from __future__ import annotations

import msgspec


class VerdictEffect(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The effect of a verdict that came into force.

    Attributes:
        since: No window begins before this, in epoch seconds.
        dropped_flips: The number of flips until then, which begin no window any more.
        past: (4 * N_GROUPS,), what the verdict adds to the seller's totals: its own past counts with a weight of one
            half, so totals that are added once more count in full, and the flips of confirmed cheating are subtracted.
        confirmed: Whether the seller is a confirmed cheat, which counts nothing in the baseline.
        muted_until: Until when the seller raises no alerts, in epoch seconds; 0 if it may.
    """

    since: float
    dropped_flips: int
    past: list[float]
    confirmed: bool
    muted_until: float
