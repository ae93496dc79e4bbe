"""The sums that one task's market adds on one day, and the weights by which days are combined.

Invariant: sums of quantized numbers are exact, so they do not depend on the order of addition.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

#: The day of weight 1. Any day would do, as long as sums over years stay within a float's range.
_FIRST_DAY: Final = 18262.0  # 2020-01-01
_YEAR_DAYS: Final = 365.0

#: Reported numbers are multiples of this: sums of them are exact up to about two million.
_QUANTUM: Final = 2.0**-32


def quantize(value: float) -> float:
    """Return the nearest multiple of the quantum; sums of such numbers do not depend on their order.

    An idle task reports a day after the aggregator has concluded it, and in a replay before. Both must give the same
    sums.
    """
    return round(value / _QUANTUM) * _QUANTUM


def forward_decay_weight(day: float) -> float:
    """Return the weight of a day's sums beside those of other days, so that old sums need not be changed.

    The weight gives a memory of one year by forward decay (Cormode, Shkapenyuk, Srivastava and Xu 2009).

    Args:
        day: Days since 1970-01-01.
    """
    mantissa, exponent = math.frexp(math.exp((day - _FIRST_DAY) / _YEAR_DAYS))
    # Few digits, so that sums of whole multiples of the weight are exact.
    return math.ldexp(round(mantissa * 2**20), exponent - 20)


class DaySums(msgspec.Struct, kw_only=True):
    """One day of a reporter's whole market."""

    #: All flips, and the deletions by authors among them.
    flips: int = 0
    retracted: int = 0
    #: Flips of looked-up reviews, and those that their strata expect, in seller weights times the day's
    #: forward-decay weight.
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    #: Critical reviews that have come to be at risk.
    written: int = 0
    #: Reviews that the platform removed, and the open critical ones among them.
    removed: int = 0
    critical: int = 0
    #: Marks of payment, see `add_marks`, in seller weights times the day's forward-decay weight; empty without a flip.
    marks: list[float] = msgspec.field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the day adds nothing."""
        return not (self.flips or self.written or self.removed or self.looked_up_expected)
