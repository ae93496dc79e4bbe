"""What the order of the queue is learned from: numbers that describe a case.

Invariant: pure. A case gives the same names in the same order, and finite numbers whose size is that of a logarithm or
a share, so that no single case has weight without bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, get_args

from stream.contract.alerts import Evidence, Kind, TurnedReview
from stream.contract.cases import Case
from stream.core.alerting.response import SEVERITIES
from stream.core.model.strata import CONTACT_DAYS

#: The watches that `evidence.also` may name.
_WATCHES: Final = tuple(kind for kind in get_args(Kind) if kind.startswith(("seller.", "staff.")))
#: The name of the latest alert's ln R.
LOG_ODDS: Final = "log_odds"
#: Hours from contact of flips without a contact within the contact window.
_NO_CONTACT_HOURS: Final = 24.0 * CONTACT_DAYS
#: The most that a log of odds counts, in either direction.
_MAX_LOG_ODDS: Final = 30.0


def features_of(case: Case) -> dict[str, float]:
    """Return a case's features by name. What is not known counts as usual: even odds, or the middle of the scores."""
    found = case.evidence
    flips, turned = max(found.flips, 1), max(len(found.reviews), 1)
    hours = found.median_hours_from_contact
    also = {other.kind: other.odds for other in found.also}
    return {
        LOG_ODDS: _log(found.odds),
        **{f"also/{kind}": _log(also.get(kind, 1.0)) for kind in _WATCHES},
        "payment": 0.0 if found.payment is None else _log(found.payment.odds),
        "retracted": found.retracted / flips,
        "incentives": found.incentives / flips,
        "five_stars": len([review for review in found.reviews if review.stars_after == 5]) / turned,
        "contact_hours": math.log1p(_NO_CONTACT_HOURS if hours is None else max(hours, 0.0)),
        "days": _distinct(review.at.date().isoformat() for review in found.reviews) / turned,
        "products": _distinct(review.product_id for review in found.reviews) / turned,
        "pattern": case.patterns.get("half_space_trees", 0.5),
        "insiders": _looked_up(found, found.reviews) / turned,
        "flips": math.log(flips),
        "severity": SEVERITIES.index(case.severity) / (len(SEVERITIES) - 1),
    }


def _log(odds: float) -> float:
    """Return the log of odds within its limits."""
    return min(max(math.log(max(odds, 1e-300)), -_MAX_LOG_ODDS), _MAX_LOG_ODDS)


def _distinct(names: Iterable[str]) -> float:
    return float(len(set(names)))


def _looked_up(found: Evidence, reviews: list[TurnedReview]) -> float:
    """Return how many of the reviews a linked staff member looked up; 0 for an alert about staff."""
    linked = {link.id for link in found.linked if link.type == "staff"}
    return float(len([review for review in reviews if not linked.isdisjoint(review.looked_up_by)]))
