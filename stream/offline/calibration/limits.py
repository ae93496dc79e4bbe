"""Limits of counts of alarms, and the settings that follow from thresholds.

Invariant: intervals are two-sided 90 % Poisson intervals; without an alarm the upper end is the rule of three.
"""

from __future__ import annotations

import math
from typing import Final

from scipy.special import gammaincinv

_CONFIDENCE: Final = 0.95


def upper_limit(alarms: int) -> float:
    """Return the upper limit of a Poisson count."""
    return float(gammaincinv(alarms + 1, _CONFIDENCE))


def lower_limit(alarms: int) -> float:
    """Return the lower limit of a Poisson count."""
    return float(gammaincinv(alarms, 1 - _CONFIDENCE)) if alarms else 0.0


def budget_of(log_threshold: float, slack: float) -> float:
    """Return the alert budget that puts the threshold at an ln R, or slightly above it."""
    return rounded_down(1000 / slack * math.exp(-log_threshold))


def rounded_down(value: float) -> float:
    """Round down to three digits: a smaller budget is the safe side."""
    digits = 2 - math.floor(math.log10(value))
    return round(math.floor(value * 10.0**digits) * 10.0**-digits, max(digits, 0))
