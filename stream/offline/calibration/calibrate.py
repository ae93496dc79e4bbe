"""Calibration: how often honest labels would alarm on a platform's own history, and which setting keeps the budget.

Invariant: labels are permuted among comparable reviews (`history`), so all evidence of a subject is noise of the
baseline and of chance. The largest evidence of each subject-year is the measurement. docs/calibration.md has the
limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import numpy as np
from scipy.special import gammaincinv

from stream.config import Settings
from stream.contract.events import ContactAccessed, Event, ReviewDeleted, ReviewEdited
from stream.core.evidence.watches import SELLER_SLACK, STAFF_SLACK, log_threshold
from stream.core.model.flip_windows import YEAR_SECONDS
from stream.offline.calibration.history import History, read
from stream.offline.local_bus import LocalTasks
from stream.ops.trust import TaskSize, of_tasks

#: Upper limits are the upper ends of two-sided 90 % intervals; without an alarm this is the rule of three.
_CONFIDENCE: Final = 0.95


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


class Calibration(msgspec.Struct, kw_only=True):
    """The result that `volteface calibrate` prints."""

    permutations: int
    partitions: int
    refused: int
    reviews: int
    #: What each task has to compare, by partition number, and why that is too little.
    tasks: dict[str, TaskSize]
    reasons: list[str]
    #: The share of critical reviews that can change places with a review of another seller.
    comparable: float
    #: None if the history has no such subjects.
    sellers: FamilyResult | None
    staff: FamilyResult | None
    alert_budget: float | None


class Family:
    """One family's evidence over all permutations."""

    def __init__(self, slack: float) -> None:
        self.slack = slack
        self.names: set[str] = set()
        self.years = 0.0
        self.alerts = 0
        #: The largest ln R of each subject and year of its presence.
        self.peaks: list[float] = []
        self._first: dict[str, float] = {}
        self._tops: dict[tuple[str, int], float] = {}

    def add_subject(self, name: str, at: float) -> None:
        """Note a subject; its presence starts at its first event, at `at` (epoch seconds)."""
        self._first.setdefault(name, at)

    def add_evidence(self, name: str, at: float, log_odds: list[float]) -> None:
        """Note a subject's ln R of each watch at `at` (epoch seconds)."""
        top = max(log_odds, default=-math.inf)
        if top > -math.inf:
            subject_year = name, int((at - self._first[name]) / YEAR_SECONDS)
            self._tops[subject_year] = max(top, self._tops.get(subject_year, -math.inf))

    def end_permutation(self, end: float) -> None:
        """End a permutation; all subjects are present until `end` (epoch seconds)."""
        self.names.update(self._first)
        self.years += sum(end - first for first in self._first.values()) / YEAR_SECONDS
        self.peaks += self._tops.values()
        self._first, self._tops = {}, {}

    def result(self, budget: float, permutations: int) -> FamilyResult | None:
        """Return the measurements at a budget, and the threshold that keeps it; None without subjects."""
        if not self.years:
            return None
        least, thousands = log_threshold(budget, self.slack), self.years / 1000
        alarms = sum(peak >= least for peak in self.peaks)
        most = _upper_limit(alarms)
        needed = _threshold(self.peaks, budget * thousands)
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
            alert_budget=None if needed is None else _rounded_down(1000 / self.slack * math.exp(-needed)),
        )


class Trial:
    """One permutation of the labels, run through the core in as many tasks as there are partitions."""

    def __init__(self, settings: Settings, partitions: int, sellers: Family, staff: Family) -> None:
        self._market = LocalTasks(settings.alert_budget, settings.config_digest, partitions)
        self._sellers, self._staff = sellers, staff

    def sizes(self) -> dict[int, TaskSize]:
        """Return what each task has to compare; a permutation leaves each seller its number of reviews."""
        return {number: TaskSize.of(task) for number, task in enumerate(self._market.tasks)}

    def run(self, events: Iterable[tuple[float, Event]], end: float) -> None:
        """Apply all events and note the evidence of all subjects."""
        market = self._market
        for at, event in events:
            alerts = market.apply(event, at)
            self._sellers.add_subject(event.seller_id, at)
            if isinstance(event, ContactAccessed):
                self._staff.add_subject(event.actor_id, at)
            elif isinstance(event, ReviewEdited | ReviewDeleted):  # a seller's evidence changes only at flips
                self._note_seller(event, at)
            for history in market.concluded_staff():
                log_odds = [value for value in history.log_odds if value is not None]
                self._staff.add_evidence(history.actor_id, at, log_odds)
            for alert in alerts:
                self._sellers.alerts += alert.subject.type == "seller"
                self._staff.alerts += alert.subject.type == "staff"
        self._sellers.end_permutation(end)
        self._staff.end_permutation(end)

    def _note_seller(self, event: ReviewEdited | ReviewDeleted, at: float) -> None:
        seller = self._market.task_of(event.seller_id).state.sellers.get(event.seller_id)
        if seller is not None:
            self._sellers.add_evidence(event.seller_id, at, seller.log_odds)
        if isinstance(event, ReviewDeleted) and event.deleted_by == "platform" and event.actor_id is not None:
            self._staff.add_subject(event.actor_id, at)


def calibrate(
    settings: Settings, source: str, partitions: int, permutations: int, seed: int, progress: Callable[[int], None]
) -> Calibration:
    """Measure a file's history; the same arguments give the same result.

    Args:
        settings: All settings; the alert budget sets the threshold.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`.
        partitions: The number of tasks.
        permutations: How often the labels are permuted.
        seed: Of the permutations.
        progress: Called with the number of permutations done.
    """
    events, refused = read(settings, source)
    history = History(events)
    sellers, staff = Family(SELLER_SLACK), Family(STAFF_SLACK)
    sizes: dict[int, TaskSize] = {}
    for number in range(permutations):
        random = np.random.default_rng([seed, number])
        trial = Trial(settings, partitions, sellers, staff)
        trial.run(history.permuted(random), history.end)
        sizes = sizes or trial.sizes()
        progress(number + 1)
    found = [family.result(settings.alert_budget, permutations) for family in (sellers, staff)]
    return Calibration(
        permutations=permutations,
        partitions=partitions,
        refused=refused,
        reviews=len(history.sellers),
        tasks={str(partition): size for partition, size in sizes.items()},
        reasons=[doubt.text for doubt in of_tasks(sizes, partitions)],
        comparable=history.comparable(),
        sellers=found[0],
        staff=found[1],
        alert_budget=_advised_budget(found),
    )


def summary(result: Calibration) -> list[str]:
    """Return the result as sentences for a person."""
    lines = [f"{result.reviews:,} critical reviews, {result.comparable:.0%} of them comparable with another seller's."]
    for name, one in (("Sellers", result.sellers), ("Staff", result.staff)):
        lines.append(f"{name}: {_describe(one) if one else 'none in this history.'}")
    if result.alert_budget is not None:
        lines.append(f"The budget is kept with VOLTEFACE_ALERT_BUDGET={result.alert_budget:g}")
    if result.tasks:
        used = [task for task in result.tasks.values() if task.sellers] or list(result.tasks.values())
        sellers, flips = ([getattr(task, name) for task in used] for name in ("sellers", "flips"))
        lines.append(
            f"{len(result.tasks)} tasks, with {min(sellers):,} to {max(sellers):,} sellers and {min(flips):,} to "
            f"{max(flips):,} flips each."
        )
    return lines + result.reasons


def _describe(one: FamilyResult) -> str:
    text = (
        f"{one.alarms} alarms in {one.subject_years:,.0f} subject-years, that is {one.rate:.2f} per 1,000, at most "
        f"{one.rate_at_most:.2f}; {one.allowed:g} allowed. Slack at least {one.slack_at_least:.3g}, the core takes "
        f"{one.slack_assumed:g}."
    )
    if one.alert_budget is None:
        needed = 1000 * _upper_limit(0) / one.allowed
        return f"{text} Too little history to advise a setting: {needed:,.0f} subject-years are needed."
    if one.allowed_once < 1:
        allowed = f"one pass through the history allows {one.allowed_once:.2f} alarms"
        return f"{text} This is less certain than it looks: {allowed}."
    return text


def _upper_limit(alarms: int) -> float:
    """Return the upper limit of a Poisson count."""
    return float(gammaincinv(alarms + 1, _CONFIDENCE))


def _threshold(peaks: list[float], allowed: float) -> float | None:
    """Return the lowest ln R at which the upper limit of the number of larger peaks is at most `allowed`.

    It is never below even odds. None if even no larger peak would not be enough evidence.
    """
    if _upper_limit(0) > allowed:
        return None
    passing = 0
    while passing < len(peaks) and _upper_limit(passing + 1) <= allowed:
        passing += 1
    highest = sorted(peaks, reverse=True)
    return max(highest[passing], 0.0) if passing < len(peaks) else 0.0


def _advised_budget(families: list[FamilyResult | None]) -> float | None:
    """Return one budget for both families; a family with too little history contributes the wanted budget."""
    measured = [one for one in families if one]
    advised = [one.alert_budget for one in measured if one.alert_budget is not None]
    unsure = [one.allowed for one in measured if one.alert_budget is None]
    return min(advised + unsure) if advised else None


def _rounded_down(value: float) -> float:
    """Round down to three digits: a smaller budget is the safe side."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / unit) * unit
