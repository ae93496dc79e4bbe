"""The state of a task.

Invariant: what follows from the rest (cells, timers, the index of reviewers) is derived and not stored. Whoever changes
what a row holds adds the row's name to `changed_names`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter

from stream.contract.events import CaseEvent
from stream.core.aggregation.aggregator import Aggregator, Books
from stream.core.aggregation.conclusions_in_force import ConclusionsInForce
from stream.core.baseline.baseline import Baseline
from stream.core.cases.book import CONCLUDED_SUBJECTS, CaseBook
from stream.core.cases.rules import CaseRules
from stream.core.messages.reports import LinkedReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import ROW_VERSION
from stream.core.reviewers.pending_reviewers import PendingReviewers
from stream.core.reviewers.task_reviewers import TaskReviewers
from stream.core.staff.exposure import StaffExposure
from stream.core.state import codec
from stream.core.state.closed_reviews import ClosedReviews
from stream.core.state.deduplication import Deduplicator
from stream.core.state.model_version import model_of
from stream.core.state.pending_changes import PendingChanges
from stream.core.subjects.patterns import FlipPatterns
from stream.core.subjects.product_rating import ProductRating
from stream.core.subjects.reviews import Review
from stream.core.subjects.seller import Seller
from stream.core.subjects.timers import Timers


class State:
    """The state of one task.

    Args:
        number: The task's number. The task of number `messages.AGGREGATOR` is the aggregator of staff evidence.
        tasks: The number of tasks.
        books: What the aggregator evaluates.
        pseudonyms: Fingerprint of the pseudonym key; empty if ids are kept as they are.
        rules: How cases are decided.
        watches_reviewers: Whether reviewers are watched; without it nothing is kept of them.

    Attributes:
        clock: The latest event time applied, in epoch seconds; -inf before the first event.
        counts: Counts by outcome of an event; the metrics show them.
        baseline: The market of this task's sellers.
        reviews: Open critical reviews, by their names, see `reviews.review_name`.
        closed_reviews: Critical reviews that flipped or were removed within the follow-up time.
        sellers, products, staff: The state of each of them in this task, by id.
        patterns: The pattern model of the task's flips.
        aggregator: Evidence of all tasks against staff; empty in other tasks than the aggregator's.
        conclusions: What the aggregator has concluded, and from when on it counts.
        cases: The cases of this task's sellers; in the aggregator's task also those of staff.
        timers: When the cells of open reviews change.
    """

    def __init__(
        self,
        number: int,
        tasks: int,
        books: Books,
        pseudonyms: str,
        rules: CaseRules,
        watches_reviewers: bool,
    ) -> None:
        self.model = model_of(pseudonyms)
        self.number = number
        self.tasks = tasks
        self.clock = float("-inf")
        #: The last day that this task announced as over, in days since 1970-01-01; -1 before the first announcement.
        self.announced_through = -1
        #: The last day that the aggregator has asked for; -1 once this task has announced it.
        self.requested_through = -1
        self.counts: Counter[str] = Counter()
        self.baseline = Baseline()
        self.reviews: dict[str, Review] = {}
        self.sellers: dict[str, Seller] = {}
        self.products: dict[str, ProductRating] = {}
        self.staff: dict[str, StaffExposure] = {}
        #: Linked sellers about whom something is to be reported.
        self.linked_sellers: set[str] = set()
        self.reviewers = TaskReviewers(watches_reviewers)
        self.patterns = FlipPatterns()
        self.conclusions = ConclusionsInForce(version=ROW_VERSION)
        self.deduplicator = Deduplicator()
        self.pending_changes = PendingChanges()
        self.closed_reviews = ClosedReviews()
        self.timers = Timers()
        self.cases = cases = CaseBook(rules, self.counts)
        self.aggregator = Aggregator(
            tasks, books, self._decide_case, lambda now: cases.close_and_forget(now, CONCLUDED_SUBJECTS)
        )
        #: Names of the rows that have changed, by kind; on the hot path a change is one addition to a set.
        self.changed_names: dict[bytes, set[str]] = {
            codec.META: set(),
            codec.BASELINE: set(),
            codec.PATTERNS: self.patterns.changed,
            codec.REVIEW: set(),
            codec.SELLER: set(),
            codec.FLIP: set(),
            codec.PRODUCT: set(),
            codec.EVENT_IDS: self.deduplicator.changed,
            codec.PENDING_CHANGE: self.pending_changes.changed,
            codec.CLOSED_REVIEW: self.closed_reviews.changed,
            codec.STAFF_EXPOSURE: set(),
            codec.CLIENT_EXPOSURE: set(),
            codec.PROGRESS: set(),
            codec.ACCUSED: set(),
            codec.UNCONCLUDED: self.aggregator.changed_unconcluded,
            codec.STAFF_HISTORY: books.staff.changed,
            codec.CONNECTOR: books.connectors.changed,
            codec.TASK_REVIEWER: self.reviewers.changed,
            codec.REVIEWER_HISTORY: books.reviewers.changed,
            codec.CASE: self.cases.changed,
            codec.QUEUE_MODEL: self.cases.queue.changed,
        }

    def _decide_case(self, event: CaseEvent) -> VerdictDecision | None:
        """Apply an event of a staff member's or a ring's case; return the decision if a verdict came into force."""
        decision = self.cases.on_event(event)
        self.cases.show(event.case_id)  # it was shown before with this event, and may be another now
        if decision is None:
            return None
        muted_until = seconds(decision.muted_until)
        return VerdictDecision(event.occurred_at.timestamp(), event.subject.id, decision.verdict, muted_until)

    def get_or_add_seller(self, seller_id: str) -> Seller:
        """Return the seller; a new one is first seen at the clock."""
        seller = self.sellers.get(seller_id)
        if seller is None:
            seller = self.sellers[seller_id] = Seller(seller_id, self.clock)
        return seller

    def get_or_add_staff(self, actor_id: str) -> StaffExposure:
        """Return the staff member's exposure in this task; a new one is first seen at the clock."""
        staff = self.staff.get(actor_id)
        if staff is None:
            staff = self.staff[actor_id] = StaffExposure(actor_id, self.clock)
        return staff

    def take_linked_reports(self) -> list[LinkedReport]:
        """Return what is new about linked sellers since the last call, in order of their ids."""
        reports: list[LinkedReport] = []
        for name in sorted(self.linked_sellers):
            seller = self.sellers.get(name)
            if seller is not None and seller.linked_report is not None:
                reports.append(seller.linked_report)
                seller.linked_report = None
                self.changed_names[codec.SELLER].add(name)
        self.linked_sellers.clear()
        return reports

    def advance_reviewers(self, day: int) -> None:
        """Bring into force, at the midnight after a day, what the aggregator has concluded on reviewers."""
        conclusions = self.conclusions.reviewers
        for one in conclusions.take_watched(day):
            if one.is_watched:
                reviewer_id = one.reviewer_id
                count = 0
                for seller in self.sellers.values():
                    count += len(seller.reviewers.get(reviewer_id, ()))
                self.reviewers.watch(reviewer_id, count)
            else:
                self.reviewers.end_watch(one.reviewer_id)
        sellers: set[str] = set()
        for found in conclusions.take_named(day):
            if found.is_named:
                own = [(seller_id, review_id) for seller_id, review_id in found.reviews if seller_id in self.sellers]
                sellers |= self.reviewers.name(found.reviewer_id, own)
            else:
                sellers |= self.reviewers.end_name(found.reviewer_id)
        for seller_id in sorted(sellers):
            self.note_named_reviewers(seller_id)

    def note_named_reviewers(self, seller_id: str) -> None:
        """Note in a seller's case which of its reviews named reviewers have turned."""
        at = dt.datetime.fromtimestamp(self.clock, dt.UTC)
        self.cases.on_named_reviewers(seller_id, self.reviewers.turned_by(seller_id), at)

    def forget_reviewer(self, reviewer_id: str) -> None:
        """Erase what is kept of a reviewer beside its open reviews."""
        self.reviewers.forget(reviewer_id)
        self.conclusions.reviewers.forget(reviewer_id)
        self.aggregator.forget_reviewer(reviewer_id)
        self.cases.forget_reviewer(reviewer_id)

    def _forget_reviewers(self) -> None:
        """Erase all reviewers, also in the cases of sellers: the watch on them was turned off."""
        self.reviewers.forget_all()
        self.cases.remove_reviewers()
        if self.conclusions.reviewers != PendingReviewers():
            self.conclusions.reviewers = PendingReviewers()
            self.changed_names[codec.ACCUSED].add("")
        self.aggregator.forget_reviewers()

    def drop_inactive(self, horizon: float) -> None:
        """Drop what no event has changed since `horizon` (epoch seconds): the bound on a task's memory.

        A seller without an open review has had no critical review for at least the follow-up time.
        """
        self.closed_reviews.drop_before(horizon)
        for name in [name for name, product in self.products.items() if product.last_at < horizon]:
            del self.products[name]
            self.changed_names[codec.PRODUCT].add(name)
        for name in [name for name, seller in self.sellers.items() if seller.is_inactive_since(horizon)]:
            self.changed_names[codec.FLIP].update(codec.flip_names(self.sellers.pop(name)))
            self.changed_names[codec.SELLER].add(name)

    def is_blank(self) -> bool:
        """Whether the task has applied no event and no message yet."""
        if self.announced_through >= 0 or self.requested_through >= 0:
            return False
        return not (
            self.counts or self.aggregator.progress.reported_through or self.conclusions.concluded_through is not None
        )

    def rebuild(self) -> None:
        """Derive what is not stored: cells, timers, the index of reviewers, the linked sellers to report."""
        for name, review in self.reviews.items():
            review.update_cell(self.clock)
            review.seller.add_review(review.reviewer_id, name)
        self.linked_sellers = {name for name, seller in self.sellers.items() if seller.linked_report is not None}
        self.timers.fill(self.reviews.values())
        self.aggregator.reviewers.finish_load()
        if not self.reviewers.is_on:
            self._forget_reviewers()


def seconds(time: dt.datetime | None) -> float:
    """Return a time in epoch seconds; 0 for none."""
    return 0.0 if time is None else time.timestamp()
