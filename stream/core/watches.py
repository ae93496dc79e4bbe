"""Watches: which questions are asked of every subject.

Rule of this room: a watch is a line of data; one mechanism (`evidence.weigh`) answers all of them.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from stream.alerts import Kind
from stream.core.bands import ARMS, CONTACTED, LOOKED_UP, OLD, PLAIN
from stream.core.evidence import Floats, Scales


class Watch(NamedTuple):
    """Whom it may raise an alert about, the arms it accuses, and those of the same seller it takes as control."""

    kind: Kind
    accused: tuple[int, ...]
    controls: tuple[int, ...]


SELLER_WATCHES: Final = (
    Watch("seller.flips", accused=(PLAIN, CONTACTED, LOOKED_UP), controls=(OLD,)),
    Watch("seller.contact_flips", accused=(CONTACTED,), controls=(PLAIN, OLD)),
)


def _mask(arms: list[tuple[int, ...]]) -> Floats:
    mask = np.zeros((ARMS, len(arms)))
    for column, chosen in enumerate(arms):
        mask[list(chosen), column] = 1
    return mask


SCALES: Final = Scales(
    accused=_mask([watch.accused for watch in SELLER_WATCHES]),
    controls=_mask([watch.controls for watch in SELLER_WATCHES]),
)

#: Honest subjects alarm so much less often than Ville's inequality allows. It is 1, no slack at all, until innocent
#: explanations are weighed and the slack is measured: without them a surge of honest flips can pass for a start.
SLACK: Final = 1.0


def log_threshold(budget: float) -> float:
    """ln R at which a watch alarms, for a budget of false alarms per 1,000 subjects a year.

    Ville: P(R ever >= x) <= 1/x for one subject and year; so x = 1000 / budget would hold without slack.
    """
    return math.log(1000 / (SLACK * budget))
