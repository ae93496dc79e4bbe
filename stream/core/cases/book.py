"""The cases of one task: of its sellers, and in the aggregator's task of staff, rings and reviewers.

Invariant: a subject has at most one case that is not closed. What leaves the book is written once more as a tombstone.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from stream.contract.alerts import Alert, Ring, Subject, SubjectType
from stream.contract.cases import Case, ExtortedReviews
from stream.contract.events import CaseEvent
from stream.core.cases import alerts, transitions
from stream.core.cases.priority import priority_of
from stream.core.cases.queue_model import QueueModel
from stream.core.cases.rules import CaseRules
from stream.core.cases.transitions import Decision
from stream.core.model.encoding import decode, encode
from stream.core.model.strata import FOLLOW_UP_SECONDS

#: Subjects whose cases change when the aggregator concludes a day; sellers' change with the task's event clock.
CONCLUDED_SUBJECTS: Final[tuple[SubjectType, ...]] = ("staff", "ring", "reviewer")


class CaseBook:
    """All cases of a task.

    Args:
        rules: How cases are decided.
        counts: The task's counts by outcome of an event.

    Attributes:
        cases: By id.
        changed: Ids of the rows that have changed since they were last written.
        queue: What verdicts have taught about the order of the cases.
    """

    def __init__(self, rules: CaseRules, counts: Counter[str]) -> None:
        self.cases: dict[str, Case] = {}
        self.changed: set[str] = set()
        self.queue = QueueModel()
        self._rules = rules
        self._counts = counts
        #: The latest case of a subject.
        self._latest: dict[tuple[str, str], str] = {}
        #: Ids of the cases that have changed since `take_changed` was last called.
        self._unsent: set[str] = set()

    def on_alert(self, alert: Alert, seller_id: str | None = None) -> None:
        """Put an alert into its subject's case.

        Args:
            alert: The alert.
            seller_id: Of an alert on a product: its seller. A shift of a rating accuses nobody, so it opens no case.
        """
        subject = alert.subject if seller_id is None else Subject("seller", seller_id)
        case = self.latest(subject)
        if case is not None and case.state != "closed":
            self._keep(alerts.with_alert(case, alert, self._rules))
        elif seller_id is None:
            self._keep(alerts.opened(subject, alert, self._rules))

    def on_ring(self, subject: Subject, ring: Ring, at: dt.datetime) -> None:
        """Note what a ring has become in its case, if that is not closed."""
        case = self.latest(subject)
        if case is not None and case.state != "closed" and case.ring != ring:
            self._keep(msgspec.structs.replace(case, ring=ring, updated_at=max(case.updated_at, at)))

    def on_named_reviewers(self, seller_id: str, turned_by: Mapping[str, set[str]], at: dt.datetime) -> None:
        """Note which reviews of a seller's case, if it is not closed, named reviewers have turned.

        Args:
            seller_id: The seller.
            turned_by: Ids of its reviews that named reviewers have turned, by reviewer.
            at: The time in the task.
        """
        case = self.latest(Subject("seller", seller_id))
        if case is None or case.state == "closed":
            return
        shown = [
            ExtortedReviews(reviewer_id, [name for name in case.evidence.review_ids if name in turned])
            for reviewer_id, turned in turned_by.items()
        ]
        found = [one for one in shown if one.review_ids]
        found = sorted(found, key=lambda one: (-len(one.review_ids), one.reviewer_id))[: alerts.MAX_ENTRIES]
        if case.extorted != found:
            self._keep(msgspec.structs.replace(case, extorted=found, updated_at=max(case.updated_at, at)))

    def forget_reviewer(self, reviewer_id: str) -> None:
        """Erase a reviewer: its own cases, and its id in cases of sellers."""
        for case in [one for one in self.cases.values() if one.subject == Subject("reviewer", reviewer_id)]:
            self._drop(case)
        self.remove_reviewers({reviewer_id})

    def remove_reviewers(self, erased: Collection[str] | None = None) -> None:
        """Erase the ids of some reviewers, or of all, from the cases of sellers."""
        for case in list(self.cases.values()):
            named = {link.id for link in case.linked if link.type == "reviewer"}
            named |= {one.reviewer_id for one in case.extorted}
            found = named if erased is None else named.intersection(erased)
            if found:
                self._keep(alerts.without_reviewers(case, found))

    def latest(self, subject: Subject) -> Case | None:
        """Return the latest case of a subject."""
        return self.cases.get(self._latest.get((subject.type, subject.id), ""))

    def on_event(self, event: CaseEvent) -> Decision | None:
        """Apply an event of a case; return the decision if a verdict came into force."""
        case = self.cases.get(event.case_id)
        if case is None or not _is_about(case, event):
            self._counts["case_unknown"] += 1
            return None
        change = transitions.apply(case, event, self._rules)
        self._counts[change.outcome] += 1
        if change.decision is not None:
            self.queue.learn(case, change.decision.verdict)
        if change.case != case:
            self._keep(change.case)
        return change.decision

    def close_and_forget(self, now: float, subject_types: Sequence[SubjectType]) -> None:
        """Close decided cases whose time for an appeal is over, and drop those that have been closed for two years.

        Args:
            now: Epoch seconds.
            subject_types: Of the cases: sellers' by the task's event clock, others' by the concluded days.
        """
        moment = dt.datetime.fromtimestamp(now, dt.UTC)
        horizon = dt.datetime.fromtimestamp(now - FOLLOW_UP_SECONDS, dt.UTC)
        for case in [case for case in self.cases.values() if case.subject.type in subject_types]:
            closed = transitions.closed(case, moment)
            if closed is not None:
                self._keep(closed)
            elif case.state == "closed" and case.updated_at < horizon:
                self._drop(case)

    def show(self, name: str) -> None:
        """Let `take_changed` return a case although its row has not changed."""
        if name in self.cases:
            self._unsent.add(name)

    def shown(self, case: Case, events: Iterable[CaseEvent]) -> Case:
        """Return a case as it will be after events that are not applied yet."""
        for event in events:
            if _is_about(case, event):
                case = transitions.apply(case, event, self._rules).case
        return case

    def take_changed(self) -> list[tuple[str, Case | None]]:
        """Return the cases that have changed since the last call, in order of ids; None for a dropped one."""
        found = [(name, self.cases.get(name)) for name in sorted(self._unsent)]
        self._unsent.clear()
        return found

    def _drop(self, case: Case) -> None:
        del self.cases[case.case_id]
        subject = case.subject.type, case.subject.id
        if self._latest.get(subject) == case.case_id:
            del self._latest[subject]
        self.changed.add(case.case_id)
        self._unsent.add(case.case_id)

    def _keep(self, case: Case) -> None:
        if case.state in {"open", "appealed"}:  # others keep the place at which they were decided
            case = msgspec.structs.replace(case, priority=priority_of(case, self.queue.probability(case)))
        self.cases[case.case_id] = case
        self._latest[case.subject.type, case.subject.id] = case.case_id
        self.changed.add(case.case_id)
        self._unsent.add(case.case_id)

    def row(self, name: str) -> bytes | None:
        """Return the state row of a case; None if it was dropped."""
        case = self.cases.get(name)
        return None if case is None else encode(case)

    def load(self, name: str, value: bytes) -> None:
        """Restore a case from its state row."""
        case = decode(value, Case)
        self.cases[name] = case
        subject = case.subject.type, case.subject.id
        known = self.cases.get(self._latest.get(subject, ""))
        if known is None or known.opened_at <= case.opened_at:
            self._latest[subject] = name


def _is_about(case: Case, event: CaseEvent) -> bool:
    about = event.case_id, event.subject.type, event.subject.id
    return about == (case.case_id, case.subject.type, case.subject.id)
