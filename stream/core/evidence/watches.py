"""The watches on sellers, their priors, and the threshold of an alert.

Invariant: a watch is one row of SELLER_WATCHES, and `EvidenceModel` evaluates all rows in the same way. A watch's
position is the index of its ln R in `Seller.log_odds`. The watches on staff are in `staff/watches.py`.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from stream.contract.alerts import Kind
from stream.core.evidence.contrasts import LEVEL_VARIANCE, Contrast
from stream.core.evidence.evidence import EvidenceModel
from stream.core.model.strata import AGED, CONTACTED, LOOKED_UP, N_GROUPS, NEW, OLD, RECENT


class Watch(NamedTuple):
    """The kind of a watch's alerts, and the exposure groups that it compares."""

    kind: Kind
    contrast: Contrast


SELLER_WATCHES: Final = (
    # Old reviews are not exposed: with them a few more cheats were found and an honest real app was accused
    # (docs/detection.md). This watch compares a seller's groups least, so a burst, which raises all of them, may
    # explain its flips.
    Watch(
        "seller.flips",
        Contrast(
            exposed=(RECENT, AGED, CONTACTED, LOOKED_UP),
            controls=(NEW, OLD),
            burst_explains=True,
            optional_exposed=((AGED,),),
            optional_controls=((OLD,),),
        ),
    ),
    Watch("seller.contact_flips", Contrast(exposed=(CONTACTED,), controls=(NEW, RECENT, AGED, OLD))),
    # Staff look up reviews with problems that support solves, and some sellers' problems are easier to solve than
    # others'. So the other groups show the level of looked-up reviews no better than four flips would.
    Watch(
        "seller.access_flips",
        Contrast(exposed=(LOOKED_UP,), controls=(NEW, RECENT, AGED, OLD, CONTACTED), level_variance=0.25),
    ),
)
#: The watch that is evaluated again for insider clients.
ACCESS_WATCH: Final = [watch.kind for watch in SELLER_WATCHES].index("seller.access_flips")
#: Flips before the window count half in the level, because sellers change.
PAST_WEIGHT: Final = 0.5
SELLER_MODEL: Final = EvidenceModel(
    contrasts=[watch.contrast for watch in SELLER_WATCHES],
    groups=N_GROUPS,
    adjusted=(LOOKED_UP,),
    past_weight=PAST_WEIGHT,
)
_CLIENT_CONTRAST: Final = SELLER_WATCHES[ACCESS_WATCH].contrast._replace(level_variance=LEVEL_VARIANCE)
CLIENT_MODEL: Final = EvidenceModel(contrasts=[_CLIENT_CONTRAST], groups=N_GROUPS, adjusted=(), past_weight=PAST_WEIGHT)
#: Pseudo-counts (flips, expected) of a seller's level: gamma with mean 1 and shape 2. Measured shapes among honest
#: sellers of simulated markets and of real events are 1.4 to 2.8 (docs/detection.md).
SELLER_PRIOR: Final = (2.0, 2.0)

#: How much less often honest subjects alarm than Ville's inequality allows, measured on simulated markets of ten worlds
#: with and without confounders and cheats (docs/detection.md).
SELLER_SLACK: Final = 5.0
STAFF_SLACK: Final = 30.0
#: The same of rings. What ties linked sellers may give them causes in common, so their bound is taken as it is.
INSIDER_RING_SLACK: Final = 2.0
LINKED_RING_SLACK: Final = 1.0
#: The same of reviewers, by calculation: under the model of honest authors one in 1,000 of those with two flips and
#: eight reviews or more reaches odds of 100 (docs/detection.md).
REVIEWER_SLACK: Final = 10.0


def log_threshold(budget: float, slack: float) -> float:
    """Return the ln R at which a watch raises an alert.

    Ville (1939): P(R ever reaches x) <= 1/x for one subject and year, so x = 1000 / budget keeps the budget without
    slack. The threshold is never below even odds, however large the budget is.

    Args:
        budget: False alarms allowed for each 1,000 subjects a year.
        slack: How much less often honest subjects alarm than the inequality allows.
    """
    return max(0.0, math.log(1000 / (slack * budget)))
