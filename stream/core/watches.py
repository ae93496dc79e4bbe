"""Watches: which questions are asked of every subject.

Rule of this room: a watch is a line of data; one mechanism (`evidence.weigh`) answers all of them.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from stream.alerts import Kind
from stream.core.bands import ARMS, CONTACTED, LATE, LOOKED_UP, NEW, OLD, RIPE
from stream.core.evidence import Scales
from stream.core.questions import Question


class Watch(NamedTuple):
    """What it may raise an alert for, and what it asks."""

    kind: Kind
    question: Question


SELLER_WATCHES: Final = (
    # With reviews of all ages as the accused a few more cheats were found, and an honest app was accused.
    # A surge strikes all arms alike, so only who compares arms may do without it.
    Watch(
        "seller.flips",
        Question((RIPE, LATE, CONTACTED, LOOKED_UP), (NEW, OLD), excused=True, spared=((LATE,),), unheard=((OLD,),)),
    ),
    Watch("seller.contact_flips", Question(accused=(CONTACTED,), controls=(NEW, RIPE, LATE, OLD))),
    # What is looked up has troubles of its own, which support mends at some sellers better than at others.
    Watch("seller.access_flips", Question(accused=(LOOKED_UP,), controls=(NEW, RIPE, LATE, OLD, CONTACTED), known=4.0)),
)
#: The watch that is asked again of those whose reviews accused staff looked up.
ACCESS_WATCH: Final = 2
#: Past flips count half: people change.
SCALES: Final = Scales(questions=[watch.question for watch in SELLER_WATCHES], arms=ARMS, lifted=(LOOKED_UP,), past=0.5)
_AS_CLIENT: Final = SELLER_WATCHES[ACCESS_WATCH].question._replace(known=math.inf)
CLIENT_SCALES: Final = Scales(questions=[_AS_CLIENT], arms=ARMS, lifted=(), past=0.5)
#: A seller's level: gamma with mean 1 and shape 2, as if 2 of 2 expected flips had been seen. Measured among honest
#: sellers of simulated markets and of real events: shapes of 1.4 to 2.8 (docs/detection.md).
SELLER_PRIOR: Final = (2.0, 2.0)

#: Of staff it is asked what became of what they looked up, and what they removed; they have no arms to compare.
STAFF_WATCHES: Final[tuple[Kind, Kind]] = ("staff.access_flips", "staff.removals")
#: As much of a level about 1 as if so many of as many had been seen: moderators differ in what they are given to do.
REMOVALS_PRIOR: Final = (4.0, 4.0)
STAFF_SCALES: Final = Scales(questions=[Question(accused=(0,), controls=())], arms=1, lifted=(0,), past=0.0)


#: A level of 1, with a standard deviation of a quarter: who looks up many sellers' reviews has their mean level.
STAFF_ALIKE: Final = 16.0


def staff_prior(looked_up_flips: float) -> tuple[float, float]:
    """Of the level of a member of staff, where honest look-ups have shown so many flips to learn their lift from.

    What flips is nobody's merit, so the level is near 1, as all sellers' is together: as if STAFF_ALIKE of as many had
    been seen. But it is known no better than the lift is, and uncertainties add: 1/K = 1/16 + 1/(flips + 1).
    """
    known = 1 / (1 / STAFF_ALIKE + 1 / (looked_up_flips + 1))
    return known, known


#: Honest subjects alarm so much less often than Ville's inequality allows: measured on simulated markets of ten worlds
#: with and without confounders, with and without cheats (docs/detection.md).
SELLER_SLACK: Final = 5.0
STAFF_SLACK: Final = 30.0


def log_threshold(budget: float, slack: float) -> float:
    """ln R at which a watch alarms, for a budget of false alarms per 1,000 subjects a year.

    Ville: P(R ever >= x) <= 1/x for one subject and year; so x = 1000 / budget would hold without slack. Nobody is
    accused whose flips speak for rather than against him, however large the budget.
    """
    return max(0.0, math.log(1000 / (slack * budget)))
