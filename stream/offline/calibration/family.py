"""The evidence of one family of subjects (sellers, staff), and how often it would alarm.

Invariant: the largest evidence of each subject-year is the measurement.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import msgspec

from stream.core.evidence.watches import log_threshold
from stream.core.model.flip_windows import YEAR_SECONDS
from stream.offline.calibration.limits import budget_of, upper_limit


class FamilyResult(msgspec.Struct, kw_only=True):
    """The measurements of one family of subjects (sellers, staff).

    An alarm is a subject whose ln R reaches the threshold within one year of its presence. The core may raise several
    alerts for it: one for each watch and 30 days.
    """

    subjects: int
    subject_years: float
    alerts: int
    alarms: int
    #: Alarms for each 1,000 subjects a year: measured, its upper limit, and the wanted budget.
    rate: float
    rate_at_most: float
    allowed: float
    #: Alarms that the budget allows in one pass through the history; permutations repeat the history and add no
    #: subjects.
    allowed_once: float
    log_threshold: float
    #: How much less often than 1/R honest labels alarm: assumed by the core, measured, and the lower limit.
    slack_assumed: float
    slack: float | None
    slack_at_least: float
    #: The threshold at which the rate's upper limit is within the budget, and the setting that gives this threshold;
    #: None if there is too little history.
    log_threshold_needed: float | None
    alert_budget: float | None


class Peak(NamedTuple):
    """The largest ln R of a subject in one year of its presence."""

    name: str
    log_odds: float


class Family:
    """One family's evidence over all permutations."""

    def __init__(self, slack: float) -> None:
        self.slack = slack
        self.names: set[str] = set()
        self.years = 0.0
        #: The part of `years` of each subject.
        self.years_of: Counter[str] = Counter()
        self.alerts = 0
        self.peaks: list[Peak] = []
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._tops: dict[tuple[str, int], float] = {}

    def add_subject(self, name: str, at: float) -> None:
        """Note an event of a subject, at `at` (epoch seconds). Its presence lasts from its first event to its last."""
        self._first.setdefault(name, at)
        self._last[name] = at

    def add_evidence(self, name: str, at: float, log_odds: list[float]) -> None:
        """Note a subject's ln R of each watch at `at` (epoch seconds)."""
        top = max(log_odds, default=-math.inf)
        if top > -math.inf:
            subject_year = name, int((at - self._first[name]) / YEAR_SECONDS)
            self._tops[subject_year] = max(top, self._tops.get(subject_year, -math.inf))

    def end_permutation(self) -> None:
        """End a permutation."""
        self.names.update(self._first)
        years = {name: (self._last[name] - first) / YEAR_SECONDS for name, first in self._first.items()}
        self.years += sum(years.values())
        self.years_of.update(years)
        self.peaks += [Peak(name, top) for (name, _), top in self._tops.items()]
        self._first, self._last, self._tops = {}, {}, {}

    def result(self, budget: float, permutations: int) -> FamilyResult | None:
        """Return the measurements at a budget, and the threshold that keeps it; None without subjects."""
        if not self.years:
            return None
        least, thousands = log_threshold(budget, self.slack), self.years / 1000
        peaks = sorted((peak.log_odds for peak in self.peaks), reverse=True)
        alarms = sum(peak >= least for peak in peaks)
        most = upper_limit(alarms)
        needed = _threshold(peaks, budget * thousands)
        return FamilyResult(
            subjects=len(self.names),
            subject_years=self.years,
            alerts=self.alerts,
            alarms=alarms,
            rate=alarms / thousands,
            rate_at_most=most / thousands,
            allowed=budget,
            allowed_once=budget * thousands / permutations,
            log_threshold=least,
            slack_assumed=self.slack,
            slack=self.years / alarms * math.exp(-least) if alarms else None,
            slack_at_least=self.years / most * math.exp(-least),
            log_threshold_needed=needed,
            alert_budget=None if needed is None else budget_of(needed, self.slack),
        )


def _threshold(peaks: list[float], allowed: float) -> float | None:
    """Return the lowest ln R at which the upper limit of the number of larger peaks is at most `allowed`.

    It is never below even odds. None if even no larger peak would not be enough evidence.

    Args:
        peaks: The largest first.
        allowed: The number of alarms.
    """
    if upper_limit(0) > allowed:
        return None
    passing = 0
    while passing < len(peaks) and upper_limit(passing + 1) <= allowed:
        passing += 1
    return threshold_passing(peaks, passing)


def threshold_passing(peaks: list[float], passing: int) -> float:
    """Return the lowest ln R, even odds at least, that at most so many of the peaks exceed (the largest first)."""
    return max(peaks[passing], 0.0) if passing < len(peaks) else 0.0
