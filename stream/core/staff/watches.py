"""The watches on staff: for what a staff member may be accused, and against which expectation.

Invariant: a watch is one row of STAFF_WATCHES. Its position is the index of its ln R in `StaffHistory.log_odds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from stream.contract.alerts import Kind
from stream.core.baseline.baseline import looked_up_ratio, retracted_share
from stream.core.baseline.day_sums import forward_decay_weight
from stream.core.baseline.market_totals import MarketTotals
from stream.core.evidence.contrasts import Contrast
from stream.core.evidence.evidence import EvidenceModel
from stream.core.evidence.window_factors import Prior
from stream.core.messages.reports import StaffReport
from stream.core.staff.history import EvidenceHistory, StaffHistory

#: Staff have one exposure group, so there are no controls, and their past says nothing about their level.
STAFF_MODEL: Final = EvidenceModel(
    contrasts=[Contrast(exposed=(0,), controls=(), level_variance=0.0)], groups=1, adjusted=(0,), past_weight=0.0
)

#: Pseudo-count of a moderator's level: mean 1, standard deviation 1/2, because moderators differ in what they are
#: given to review.
_REMOVALS_LEVEL_FLIPS: Final = 4.0
#: Pseudo-count of the level of a staff member who looks reviews up: mean 1, standard deviation 1/4. The reviews belong
#: to many sellers, so their mean level is close to 1.
_LOOKUPS_LEVEL_FLIPS: Final = 16.0


class StaffWatch(NamedTuple):
    """One watch.

    Attributes:
        kind: The kind of its alerts.
        evidence: The part of a staff member's history that it evaluates.
        count: How many of its flips or removals a report brings; the watch is evaluated when there are some.
        prior: The prior at the end of a day (days since 1970-01-01).
        by_authors: True if its evidence is changes by authors (flips), False if it is removals by the staff member.
        names_clients: Whether an alert makes the sellers of its flips insider clients.
    """

    kind: Kind
    evidence: Callable[[StaffHistory], EvidenceHistory]
    count: Callable[[StaffReport], int]
    prior: Callable[[StaffHistory, MarketTotals, int], Prior]
    by_authors: bool
    names_clients: bool


def lookup_level_flips(looked_up_flips: float) -> float:
    """Return the pseudo-count of the level of a staff member who looks reviews up.

    The level is no more precise than the market's looked-up ratio, which rests on `looked_up_flips` flips of others.
    Uncertainties add: 1/K = 1/16 + 1/(flips + 1).
    """
    return 1 / (1 / _LOOKUPS_LEVEL_FLIPS + 1 / (looked_up_flips + 1))


def lookups_prior(history: StaffHistory, market: MarketTotals, day: int) -> Prior:
    """Return the prior of a staff member's look-ups at the end of a day (days since 1970-01-01)."""
    day_weight = forward_decay_weight(day)
    others = max(market.looked_up_flips - history.looked_up_flips, 0.0)
    level_flips = lookup_level_flips(others / day_weight)
    return Prior(
        flips=level_flips,
        expected=level_flips,
        retracted_share=retracted_share(
            market.flips - history.flips.count, market.retracted - history.flips.retracted
        ),
        looked_up_ratio=looked_up_ratio(
            others, market.looked_up_expected - history.looked_up_expected, day_weight
        ),
    )  # fmt: skip


def _removals_prior(history: StaffHistory, market: MarketTotals, day: int) -> Prior:
    return Prior(flips=_REMOVALS_LEVEL_FLIPS, expected=_REMOVALS_LEVEL_FLIPS, retracted_share=0.0)


STAFF_WATCHES: Final = (
    StaffWatch(
        kind="staff.access_flips",
        evidence=lambda history: history.flips,
        count=lambda report: report.flips,
        prior=lookups_prior,
        by_authors=True,
        names_clients=True,
    ),
    StaffWatch(
        kind="staff.removals",
        evidence=lambda history: history.removals,
        count=lambda report: report.critical,
        prior=_removals_prior,
        by_authors=False,
        names_clients=False,
    ),
)
