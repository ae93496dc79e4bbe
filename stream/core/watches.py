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
    #: The level of the accused arms is known from the controls no better than from so many flips.
    known: float = math.inf


SELLER_WATCHES: Final = (
    # With reviews of all ages as the accused a few more cheats were found, and an honest app was accused.
    Watch("seller.flips", accused=(RIPE, CONTACTED, LOOKED_UP), controls=(NEW, OLD), excused=True),
    Watch("seller.contact_flips", accused=(CONTACTED,), controls=(NEW, RIPE, OLD)),
    # What is looked up has troubles of its own, which support mends at some sellers better than at others.
    Watch("seller.access_flips", accused=(LOOKED_UP,), controls=(NEW, RIPE, OLD, CONTACTED), known=4.0),
)
#: Of a seller's and of a staff member's totals, what is expected of looked-up reviews: what the lift scales.
LIFTED: Final = [ARMS + LOOKED_UP, 2 * ARMS + LOOKED_UP]
STAFF_EXPECTED: Final = [1, 2]
#: The watch that is asked again of those whose reviews accused staff looked up.
ACCESS_WATCH: Final = 2


def _mask(arms: list[tuple[int, ...]]) -> Floats:
    mask = np.zeros((ARMS, len(arms)))
    for column, chosen in enumerate(arms):
        mask[list(chosen), column] = 1
    return mask


def _scales(watches: tuple[Watch, ...]) -> Scales:
    return Scales(
        accused=_mask([watch.accused for watch in watches]),
        controls=_mask([watch.controls for watch in watches]),
        excused=np.array([watch.excused for watch in watches]),
        known=np.array([watch.known for watch in watches]),
        past=0.5,  # people change
    )


SCALES: Final = _scales(SELLER_WATCHES)
CLIENT_SCALES: Final = _scales((SELLER_WATCHES[ACCESS_WATCH]._replace(known=math.inf),))
#: A seller's level: gamma with mean 1 and shape 2, as if 2 of 2 expected flips had been seen. Measured among honest
#: sellers of simulated markets and of real events: shapes of 1.4 to 2.8 (docs/detection.md).
SELLER_PRIOR: Final = (2.0, 2.0)

#: Of staff it is asked what became of what they looked up, and what they removed; they have no arms to compare.
STAFF_WATCHES: Final[tuple[Kind, Kind]] = ("staff.access_flips", "staff.removals")
#: As much of a level about 1 as if so many of as many had been seen: moderators differ in what they are given to do.
REMOVALS_PRIOR: Final = (4.0, 4.0)
STAFF_SCALES: Final = Scales(
    accused=np.ones((1, 1)), controls=np.zeros((1, 1)), excused=np.array([False]), known=np.array([math.inf]), past=0.0
)


def staff_prior(looked_up_flips: float) -> tuple[float, float]:
    """Of the level of a member of staff, where honest look-ups have shown so many flips to learn their lift from.

    What flips is nobody's merit, so the level is near 1, as all sellers' is together: as if 4 of 4 had been seen. But
    it is known no better than the lift is, and uncertainties add: 1/K = 1/4 + 1/(flips + 1).
    """
    known = 1 / (1 / 4 + 1 / (looked_up_flips + 1))
    return known, known


#: Honest subjects alarm so much less often than Ville's inequality allows: measured on simulated markets of ten worlds
#: with and without confounders, with and without cheats (docs/detection.md).
SELLER_SLACK: Final = 5.0
STAFF_SLACK: Final = 75.0


def log_threshold(budget: float, slack: float) -> float:
    """ln R at which a watch alarms, for a budget of false alarms per 1,000 subjects a year.

    Ville: P(R ever >= x) <= 1/x for one subject and year; so x = 1000 / budget would hold without slack. Nobody is
    accused whose flips speak for rather than against him, however large the budget.
    """
    return max(0.0, math.log(1000 / (slack * budget)))
