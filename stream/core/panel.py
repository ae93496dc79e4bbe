"""The reader of what tasks tell about staff: it gathers whole days, and judges the staff who belong to this task.

Rule of this room: a day is judged when every task has told all of it (or answered that it has nothing to read), and
days in their order. So the outcome depends on what was told, and not on when it came. What is told of a day that was
judged already counts in the next judgement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

import msgspec

from stream.core.bands import DAY, FOLLOW_SECONDS
from stream.core.codec import VERSION, decode, encode
from stream.core.dossiers import Dossier
from stream.core.reports import DayReport, Judgement, StaffReport, Sums, Told, weight_of
from stream.core.rows import PendingRow

#: Staff are looked through for those to be forgotten when so many days have passed.
_MONTH_DAYS: Final = 30


class Market(msgspec.Struct, kw_only=True):
    """All tasks' markets together; what has a year's memory is times each day's weight."""

    flips: int = 0
    retracted: int = 0
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    removed: float = 0.0
    critical: float = 0.0

    def add(self, sums: Sums, weight: float) -> None:
        """Take one writer's day."""
        self.flips += sums.flips
        self.retracted += sums.retracted
        self.looked_up_flips += sums.looked_up_flips
        self.looked_up_expected += sums.looked_up_expected
        self.removed += weight * sums.removed
        self.critical += weight * sums.critical

    def critical_share(self, dossier: Dossier, weight: float) -> float:
        """The share of critical reviews among what others removed.

        Laplace's rule, with the weight of five removals and no opinion, for a market that has shown few.
        """
        critical = max(self.critical - dossier.critical, 0.0) / weight
        return (critical + 2.5) / (max(self.removed - dossier.removed, 0.0) / weight + 5)


class Progress(msgspec.Struct, kw_only=True):
    """How far each writer has come, by number, and how far this reader has."""

    version: int
    through: dict[int, int] = msgspec.field(default_factory=dict)
    judged: int | None = None
    market: Market = msgspec.field(default_factory=Market)

    def horizon(self, writers: int) -> int | None:
        """The last day of which every writer has told all; None while one of them was never heard."""
        return min(self.through.values()) if len(self.through) == writers else None


#: Judges one member of staff as a day ends: what flipped of what he or she looked up, what was removed, or both.
Judge = Callable[[Dossier, Market, int, bool, bool], None]
Pending = StaffReport | DayReport


class Panel:
    """What is told of staff, until their day is judged; `changed` holds the names of rows that differ.

    judge: asked at the end of each day about everybody of whom a flip or the removal of a critical review was told.
    """

    def __init__(self, number: int, writers: int, judge: Judge) -> None:
        self.progress = Progress(version=VERSION)
        self.dossiers: dict[str, Dossier] = {}
        self.pending: dict[str, Pending] = {}
        self.changed_pending: set[str] = set()
        self.changed_dossiers: set[str] = set()
        self._number = number
        self._writers = writers
        self._judge = judge

    def hear(self, report: Pending) -> Judgement | None:
        """Take a report; what is judged thereby, if anything."""
        progress = self.progress
        if isinstance(report, StaffReport):
            self._keep(f"{report.day}/{report.writer}/{report.actor_id}", report)
            return None
        if not report.sums.empty:
            self._keep(f"{report.day}/{report.writer}", report)
        # In order: its row must not tell who was heard first.
        progress.through = dict(sorted({**progress.through, report.writer: report.through}.items()))
        horizon = progress.horizon(self._writers)
        if horizon is None or (progress.judged is not None and horizon <= progress.judged):
            return None
        return Judgement(reader=self._number, day=horizon, accused=self._judge_through(horizon))

    def _keep(self, name: str, report: Pending) -> None:
        self.pending[name] = report
        self.changed_pending.add(name)

    def _judge_through(self, horizon: int) -> list[tuple[int, str, str | None]]:
        days: defaultdict[int, list[str]] = defaultdict(list)
        for name, report in self.pending.items():
            if report.day <= horizon:
                days[report.day].append(name)
        accused: list[tuple[int, str, str | None]] = []
        for day in sorted(days):
            self._come_to(day)
            reports = [self.pending.pop(name) for name in sorted(days[day])]
            self.changed_pending.update(days[day])
            accused += self._judge_day(day, reports)
        self._come_to(horizon)
        return accused

    def _come_to(self, day: int) -> None:
        """That day is judged now, if it was not before; at a month's turn the silent are forgotten.

        By the turn, not by the day: how many days are judged at once depends on when they were told.
        """
        judged = self.progress.judged
        if judged is not None and day <= judged:
            return
        month = day // _MONTH_DAYS
        if judged is not None and month > judged // _MONTH_DAYS:
            self._forget(month * _MONTH_DAYS * DAY - FOLLOW_SECONDS)
        self.progress.judged = day

    def _judge_day(self, day: int, reports: list[Pending]) -> list[tuple[int, str, str | None]]:
        """One day of all writers, whose reports come in an order that does not depend on when they were heard."""
        market, weight = self.progress.market, weight_of(day)
        staff: defaultdict[str, list[StaffReport]] = defaultdict(list)
        for report in reports:
            if isinstance(report, DayReport):
                market.add(report.sums, weight)
            else:
                staff[report.actor_id].append(report)
        accused: list[tuple[int, str, str | None]] = []
        for actor_id, told in sorted(staff.items()):
            dossier = self._take(actor_id, told, weight)
            flips, removals = any(one.flips for one in told), any(one.critical for one in told)
            self._judge(dossier, market, max(day, self.progress.judged or day), flips, removals)
            if "staff.access_flips" in dossier.alerted_at and dossier.accused != [mostly := dossier.mostly_of()]:
                dossier.accused = [mostly]
                accused.append((day, actor_id, mostly))
        return accused

    def _take(self, actor_id: str, told: list[StaffReport], weight: float) -> Dossier:
        first_seen = min(one.first_seen for one in told)
        dossier = self.dossiers.get(actor_id)
        if dossier is None:
            dossier = self.dossiers[actor_id] = Dossier(version=VERSION, actor_id=actor_id, first_seen=first_seen)
        self.changed_dossiers.add(actor_id)
        dossier.first_seen = min(first_seen, dossier.first_seen)
        for one in told:
            dossier.looked_up_flips += one.looked_up_flips
            dossier.looked_up_expected += one.looked_up_expected
            dossier.removed += weight * one.removed
            dossier.critical += weight * one.critical
            # Of very many a day only the latest are told one by one.
            dossier.flips.count += one.flips - len(one.latest)
            dossier.flips.retracted += one.retracted - sum(each.flip.retracted for each in one.latest)
            dossier.removals.count += one.critical - len(one.latest_removed)
        dossier.flips.add(_in_order(one.latest for one in told), dossier.first_seen, once=False)
        dossier.removals.add(_in_order(one.latest_removed for one in told), dossier.first_seen, once=True)
        dossier.flips.expected += sum(one.expected for one in told)
        dossier.flips.expected_long += sum(one.expected_long for one in told)
        removed = sum(one.removed for one in told)
        if removed:
            dossier.removals.expected += removed * self.progress.market.critical_share(dossier, weight)
            dossier.removals.expected_long = dossier.removals.expected
        return dossier

    def progress_row(self, _: str) -> bytes:
        """The row of how far all have come."""
        return encode(self.progress)

    def load_progress(self, _: str, value: bytes) -> None:
        """Take it back."""
        self.progress = decode(value, Progress)

    def pending_row(self, name: str) -> bytes | None:
        """The row of a report whose day is not judged, None for one whose day is."""
        report = self.pending.get(name)
        return None if report is None else encode(PendingRow(VERSION, report))

    def load_pending(self, name: str, value: bytes) -> None:
        """Take it back."""
        self.pending[name] = decode(value, PendingRow).report

    def dossier_row(self, name: str) -> bytes | None:
        """The row of a member of staff, None for one who was forgotten."""
        dossier = self.dossiers.get(name)
        return None if dossier is None else encode(dossier)

    def load_dossier(self, name: str, value: bytes) -> None:
        """Take it back."""
        self.dossiers[name] = decode(value, Dossier)

    def _forget(self, horizon: float) -> None:
        """Let go of staff of whom nothing was heard since then: the bound on this room's memory."""
        for name in [name for name, dossier in self.dossiers.items() if dossier.last_at() < horizon]:
            del self.dossiers[name]
            self.changed_dossiers.add(name)


def _in_order(told: Iterable[list[Told]]) -> list[Told]:
    return sorted(chain.from_iterable(told), key=lambda one: (one.flip.at, one.event_id))
