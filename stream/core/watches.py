"""Watches: which questions are asked of every subject.

Rule of this room: a watch is a line of data; one mechanism (`evidence.weigh`) answers all of them.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from stream.alerts import Kind
from stream.core.bands import ARMS, CONTACTED, LOOKED_UP, NEW, OLD, RIPE
from stream.core.evidence import Scales
from stream.core.excuses import Floats


class Watch(NamedTuple):
    """What it may raise an alert for, the arms it accuses, those of the same seller it takes as control."""

    kind: Kind
    accused: tuple[int, ...]
    controls: tuple[int, ...]
    #: Whether a surge may explain what it sees: it strikes all arms alike, so only who compares arms may do without.
    excused: bool = False


SELLER_WATCHES: Final = (
    # Who pays wants what is fresh. With old reviews as the accused more cheats were found, and an honest app accused.
    Watch("seller.flips", accused=(RIPE, CONTACTED, LOOKED_UP), controls=(NEW, OLD), excused=True),
    Watch("seller.contact_flips", accused=(CONTACTED,), controls=(NEW, RIPE, OLD)),
    Watch("seller.access_flips", accused=(LOOKED_UP,), controls=(NEW, RIPE, OLD, CONTACTED)),
)


def _mask(arms: list[tuple[int, ...]]) -> Floats:
    mask = np.zeros((ARMS, len(arms)))
    for column, chosen in enumerate(arms):
        mask[list(chosen), column] = 1
    return mask


SCALES: Final = Scales(
    accused=_mask([watch.accused for watch in SELLER_WATCHES]),
    controls=_mask([watch.controls for watch in SELLER_WATCHES]),
    excused=np.array([watch.excused for watch in SELLER_WATCHES]),
    past=0.5,  # people change
)
#: A seller's level may be anything, about 1 or 2.
SELLER_PRIOR: Final = (1.0, 0.5)

#: Of staff one thing is asked, and they have no arms to compare.
STAFF_WATCH: Final[Kind] = "staff.access_flips"
STAFF_SCALES: Final = Scales(accused=np.ones((1, 1)), controls=np.zeros((1, 1)), excused=np.array([False]), past=0.0)


def staff_prior(looked_up_flips: float) -> tuple[float, float]:
    """Of the level of a member of staff, where honest look-ups have shown so many flips to learn their lift from.

    What flips is nobody's merit, so the level is near 1, as all sellers' is together: as if 4 of 4 had been seen. But
    it is known no better than the lift is, and uncertainties add: 1/K = 1/4 + 1/(flips + 1).
    """
    known = 1 / (1 / 4 + 1 / (looked_up_flips + 1))
    return known, known


#: Honest subjects alarm so much less often than Ville's inequality allows: measured on simulated markets of four worlds
#: with every confounder on, of six worlds with cheats among them, and on real events (docs/detection.md).
SELLER_SLACK: Final = 8.0
STAFF_SLACK: Final = 20.0


def log_threshold(budget: float, slack: float) -> float:
    """ln R at which a watch alarms, for a budget of false alarms per 1,000 subjects a year.

    Ville: P(R ever >= x) <= 1/x for one subject and year; so x = 1000 / budget would hold without slack.
    """
    return math.log(1000 / (slack * budget))
