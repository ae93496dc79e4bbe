"""Calibration: how often honest labels would alarm on a platform's own history, and which setting keeps the budget.

Rule of this room: nobody is guilty here. Labels are permuted among comparable reviews (`history`), so whatever evidence
a subject then has is noise of the norm and of chance, and how high that noise rises is what is measured. What it can
tell and what not is told in docs/calibration.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import numpy as np
from scipy.special import gammaincinv

from stream.config import Settings
from stream.core.past import YEAR_SECONDS
from stream.core.watches import SELLER_SLACK, STAFF_SLACK, log_threshold
from stream.events import ContactAccessed, Event, ReviewDeleted, ReviewEdited
from stream.exchange import Tasks
from stream.history import History, read

#: Upper ends of two-sided 90 % intervals: with no alarm at all it is the rule of three.
_CONFIDENCE: Final = 0.95


class Found(msgspec.Struct, kw_only=True):
    """What a family (sellers, staff) shows. An alarm is a subject whose ln R reaches the threshold in a year of its
    life; the core may tell of it in several alerts, one a watch and 30 days.
    """

    subjects: int
    subject_years: float
    alerts: int
    alarms: int
    #: Per 1,000 subjects and year, as is `allowed`, the budget that is wished for.
    rate: float
    rate_at_most: float
    allowed: float
    #: Alarms that the budget allows in the history, once through: permutations repeat it and add nothing to it.
    allowed_once: float
    log_threshold: float
    #: By how much less often than 1/R honest labels alarm: what the core takes, what was measured, what is sure.
    slack_assumed: float
    slack: float | None
    slack_at_least: float
    #: Where the measured rate is surely within the budget, and the setting that puts the threshold there; None: there
    #: is too little history to tell.
    log_threshold_needed: float | None
    alert_budget: float | None


class Calibration(msgspec.Struct, kw_only=True):
    """What `volteface calibrate` prints."""

    permutations: int
    partitions: int
    refused: int
    reviews: int
    #: The share of reviews that have others to change places with, of another seller.
    comparable: float
    #: None where the history has no such subjects.
    sellers: Found | None
    staff: Found | None
    alert_budget: float | None


class Family:
    """One family's evidence over all permutations."""

    def __init__(self, slack: float) -> None:
        self.slack = slack
        self.names: set[str] = set()
        self.years = 0.0
        self.alerts = 0
        #: The largest ln R of each account and year of its life.
        self.peaks: list[float] = []
        self._first: dict[str, float] = {}
        self._tops: dict[tuple[str, int], float] = {}

    def meet(self, name: str, at: float) -> None:
        """There is such a subject, from its first event on."""
        self._first.setdefault(name, at)

    def weigh(self, name: str, at: float, log_odds: list[float]) -> None:
        """Note evidence."""
        top = max(log_odds, default=-math.inf)
        if top > -math.inf:
            account = name, int((at - self._first[name]) / YEAR_SECONDS)
            self._tops[account] = max(top, self._tops.get(account, -math.inf))

    def close(self, end: float) -> None:
        """A permutation is done."""
        self.names.update(self._first)
        self.years += sum(end - first for first in self._first.values()) / YEAR_SECONDS
        self.peaks += self._tops.values()
        self._first, self._tops = {}, {}

    def found(self, budget: float, permutations: int) -> Found | None:
        """What it shows at a budget, and where its threshold should lie; None if there is nobody."""
        if not self.years:
            return None
        least, thousands = log_threshold(budget, self.slack), self.years / 1000
        alarms = sum(peak >= least for peak in self.peaks)
        most = _at_most(alarms)
        needed = _threshold(self.peaks, budget * thousands)
        return Found(
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
    """One permutation, run through the core as its tasks would."""

    def __init__(self, settings: Settings, partitions: int, sellers: Family, staff: Family) -> None:
        self._market = Tasks(settings.alert_budget, settings.config_digest, partitions)
        self._sellers, self._staff = sellers, staff

    def run(self, events: Iterable[tuple[float, Event]], end: float) -> None:
        """To the end, with all evidence noted."""
        market = self._market
        for at, event in events:
            alerts = market.apply(event, at)
            self._sellers.meet(event.seller_id, at)
            if isinstance(event, ContactAccessed):
                self._staff.meet(event.actor_id, at)
            elif isinstance(event, ReviewEdited | ReviewDeleted):  # evidence changes at flips only, that on staff daily
                self._weigh(event, at)
            for one in market.judged():
                self._staff.weigh(one.actor_id, at, [value for value in one.log_odds if value is not None])
            for alert in alerts:
                self._sellers.alerts += alert.subject.type == "seller"
                self._staff.alerts += alert.subject.type == "staff"
        self._sellers.close(end)
        self._staff.close(end)

    def _weigh(self, event: ReviewEdited | ReviewDeleted, at: float) -> None:
        seller = self._market.task_of(event.seller_id).sellers.get(event.seller_id)
        if seller is not None:
            self._sellers.weigh(event.seller_id, at, seller.log_odds)
        if isinstance(event, ReviewDeleted) and event.deleted_by == "platform" and event.actor_id is not None:
            self._staff.meet(event.actor_id, at)


def calibrate(
    settings: Settings, source: str, partitions: int, permutations: int, seed: int, progress: Callable[[int], None]
) -> Calibration:
    """Measure a file; the same arguments give the same answer."""
    events, refused = read(settings, source)
    history = History(events)
    sellers, staff = Family(SELLER_SLACK), Family(STAFF_SLACK)
    for number in range(permutations):
        chance = np.random.default_rng([seed, number])
        Trial(settings, partitions, sellers, staff).run(history.permuted(chance), history.end)
        progress(number + 1)
    found = [family.found(settings.alert_budget, permutations) for family in (sellers, staff)]
    return Calibration(
        permutations=permutations,
        partitions=partitions,
        refused=refused,
        reviews=len(history.sellers),
        comparable=history.comparable(),
        sellers=found[0],
        staff=found[1],
        alert_budget=_setting(found),
    )


def words(found: Calibration) -> list[str]:
    """What a person should know of it."""
    said = [f"{found.reviews:,} critical reviews, {found.comparable:.0%} of them comparable with another seller's."]
    for name, one in (("Sellers", found.sellers), ("Staff", found.staff)):
        said.append(f"{name}: {_verdict(one) if one else 'none in this history.'}")
    if found.alert_budget is not None:
        said.append(f"The budget is kept with VOLTEFACE_ALERT_BUDGET={found.alert_budget:g}")
    return said


def _verdict(one: Found) -> str:
    said = (
        f"{one.alarms} alarms in {one.subject_years:,.0f} subject-years, that is {one.rate:.2f} per 1,000, at most "
        f"{one.rate_at_most:.2f}; {one.allowed:g} allowed. Slack at least {one.slack_at_least:.3g}, the core takes "
        f"{one.slack_assumed:g}."
    )
    if one.alert_budget is None:
        return f"{said} Too little history to advise a setting."
    if one.allowed_once < 1:
        return f"{said} Less sure than it looks: in the history once through {one.allowed_once:.2f} would be allowed."
    return said


def _at_most(alarms: int) -> float:
    """The upper Poisson limit of a count."""
    return float(gammaincinv(alarms + 1, _CONFIDENCE))


def _threshold(peaks: list[float], allowed: float) -> float | None:
    """The lowest ln R that so few peaks pass that surely no more than `allowed` are expected to; never below even odds.

    None if even none at all would not prove it.
    """
    if _at_most(0) > allowed:
        return None
    passing = 0
    while passing < len(peaks) and _at_most(passing + 1) <= allowed:
        passing += 1
    highest = sorted(peaks, reverse=True)
    return max(highest[passing], 0.0) if passing < len(peaks) else 0.0


def _setting(families: list[Found | None]) -> float | None:
    """One setting serves both; a family that cannot tell allows no more than what is wished for."""
    there = [one for one in families if one]
    told = [one.alert_budget for one in there if one.alert_budget is not None]
    unsure = [one.allowed for one in there if one.alert_budget is None]
    return min(told + unsure) if told else None


def _rounded_down(value: float) -> float:
    """To three digits; downwards, for that is to the safe side."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / unit) * unit
