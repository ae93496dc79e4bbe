"""What would have alarmed in a history as it was, by size of seller, and the setting that keeps the budget there.

Invariant: nothing is permuted, so honest sellers differ and move as they do, and cheats of the history count as alarms.
The setting is right only if the subjects that are named are honest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from stream.config import Settings
from stream.contract.events import SellerEvent
from stream.core.evidence.watches import SELLER_SLACK, STAFF_SLACK, log_threshold
from stream.offline.calibration.family import Family, Peak, threshold_passing
from stream.offline.calibration.limits import budget_of, lower_limit, upper_limit
from stream.offline.calibration.trial import Trial

#: Sellers are divided by their flips, and the most subjects that are named.
_SIZES: Final = (0, 10, 30, 100, 300)
_MOST_NAMED: Final = 20


class Size(msgspec.Struct, kw_only=True):
    """Sellers with so many flips in the history."""

    flips_from: int
    #: None: no limit.
    flips_to: int | None
    subjects: int
    subject_years: float
    alarms: int
    #: Alarms that the budget allows for these subject-years.
    allowed: float


class Accused(msgspec.Struct):
    """A subject that would have alarmed, and its largest ln R."""

    id: str
    log_odds: float


class HistoryOutcome(msgspec.Struct, kw_only=True):
    """One family in the history as it was."""

    subjects: int
    subject_years: float
    #: Of all sellers; None for staff.
    flips: int | None
    #: Subject-years whose ln R reaches the threshold, the 90 % interval of their expected number, and the budget.
    alarms: int
    alarms_at_least: float
    alarms_at_most: float
    allowed: float
    #: The setting that would have kept the budget in this history, and its 90 % interval; None if the history is too
    #: short: it needs `subject_years_needed`.
    alert_budget: float | None
    alert_budget_at_least: float | None
    alert_budget_at_most: float | None
    subject_years_needed: float
    by_size: list[Size]
    accused: list[Accused]


class AsItWas(msgspec.Struct):
    """The history as it was; None for a family that it does not have."""

    sellers: HistoryOutcome | None
    staff: HistoryOutcome | None


def as_it_was(settings: Settings, events: Sequence[tuple[float, SellerEvent]], partitions: int) -> AsItWas:
    """Run a history through the core once, in the order of event time.

    Args:
        settings: All settings; the alert budget sets the threshold.
        events: Times (epoch seconds) and events, in the order of time.
        partitions: The number of tasks.
    """
    sellers, staff = Family(SELLER_SLACK), Family(STAFF_SLACK)
    trial = Trial(settings, partitions, sellers, staff)
    trial.run(events)
    return AsItWas(_outcome(sellers, settings.alert_budget, trial.flips), _outcome(staff, settings.alert_budget, None))


def _outcome(family: Family, budget: float, flips: dict[str, int] | None) -> HistoryOutcome | None:
    """Return what a family's evidence amounts to; `flips` of each seller, None for staff."""
    if not family.years:
        return None
    least, allowed = log_threshold(budget, family.slack), budget * family.years / 1000
    alarms = [peak for peak in family.peaks if peak.log_odds >= least]
    peaks = sorted((peak.log_odds for peak in family.peaks), reverse=True)
    counts = range(len(peaks) + 1)
    accused: dict[str, float] = {}
    for name, log_odds in alarms:
        accused[name] = max(log_odds, accused.get(name, least))
    return HistoryOutcome(
        subjects=len(family.names),
        subject_years=family.years,
        flips=None if flips is None else sum(flips.values()),
        alarms=len(alarms),
        alarms_at_least=lower_limit(len(alarms)),
        alarms_at_most=upper_limit(len(alarms)),
        allowed=allowed,
        alert_budget=_setting(peaks, family.slack, [count for count in counts if count <= allowed][1:]),
        alert_budget_at_least=_setting(peaks, family.slack, [n for n in counts if upper_limit(n) <= allowed]),
        alert_budget_at_most=_setting(peaks, family.slack, [n for n in counts if lower_limit(n) <= allowed]),
        subject_years_needed=1000 / budget,
        by_size=[] if flips is None else _by_size(family, alarms, flips, budget),
        accused=[
            Accused(name, log_odds)
            for name, log_odds in sorted(accused.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMED]
        ],
    )


def _setting(peaks: list[float], slack: float, counts: list[int]) -> float | None:
    """Return the budget at which as many peaks alarm as the largest count; None without a count.

    Args:
        peaks: The largest first.
        slack: Of the family.
        counts: Numbers of alarms that the budget allows, the largest last.
    """
    return budget_of(threshold_passing(peaks, counts[-1]), slack) if counts else None


def _by_size(family: Family, alarms: list[Peak], flips: dict[str, int], budget: float) -> list[Size]:
    found: list[Size] = []
    for least, most in zip(_SIZES, (*_SIZES[1:], None), strict=True):
        below = math.inf if most is None else most
        names = {name for name in family.names if least <= flips.get(name, 0) < below}
        years = sum(family.years_of[name] for name in names)
        found.append(
            Size(
                flips_from=least,
                flips_to=most,
                subjects=len(names),
                subject_years=years,
                alarms=sum(peak.name in names for peak in alarms),
                allowed=budget * years / 1000,
            )
        )
    return found
