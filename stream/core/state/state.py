"""The state of a task, and the rows that hold it.

Invariant: a row is a function of the state, never of the time at which it is written. Writing rows changes nothing
except which rows count as changed. What follows from the rest (cells, timers, the index of reviewers) is derived and
not stored.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from stream.contract.events import CaseEvent
from stream.core.baseline.baseline import Baseline
from stream.core.cases.book import CaseBook
from stream.core.cases.rules import CaseRules
from stream.core.model.encoding import ROW_VERSION, StateError, decode, encode
from stream.core.staff.accused import AccusedStaff
from stream.core.staff.aggregator import Books, StaffAggregator
from stream.core.staff.decisions import StaffDecision
from stream.core.staff.exposure import StaffExposure
from stream.core.staff.messages import LinkedReport
from stream.core.staff.named_reviewers import NamedReviewers
from stream.core.staff.task_reviewers import TaskReviewers
from stream.core.state import codec
from stream.core.state.closed_reviews import ClosedReviews
from stream.core.state.deduplication import Deduplicator
from stream.core.state.model_version import model_of
from stream.core.state.pending_changes import PendingChanges
from stream.core.state.rows import FlipRow, PatternsRow
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
        accused: The accused staff.
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
        self.accused = AccusedStaff(version=ROW_VERSION)
        self.deduplicator = Deduplicator()
        self.pending_changes = PendingChanges()
        self.closed_reviews = ClosedReviews()
        self.timers = Timers()
        self.cases = cases = CaseBook(rules, self.counts)
        self.aggregator = StaffAggregator(
            tasks, books, self._decide_case, lambda now: cases.close_and_forget(now, ("staff", "ring", "reviewer"))
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
            codec.CONNECTOR: books.rings.changed,
            codec.TASK_REVIEWER: self.reviewers.changed,
            codec.REVIEWER_HISTORY: books.reviewers.changed,
            codec.CASE: self.cases.changed,
            codec.QUEUE_MODEL: self.cases.queue.changed,
        }
        self._writers: dict[bytes, Callable[[str], bytes | None]] = {
            codec.META: self._meta_row,
            codec.BASELINE: lambda _: codec.baseline_row(self.baseline),
            codec.PATTERNS: self._pattern_row,
            codec.REVIEW: self._review_row,
            codec.SELLER: self._seller_row,
            codec.FLIP: self._flip_row,
            codec.PRODUCT: self._product_row,
            codec.EVENT_IDS: self.deduplicator.row,
            codec.PENDING_CHANGE: self.pending_changes.row,
            codec.CLOSED_REVIEW: self.closed_reviews.row,
            codec.STAFF_EXPOSURE: self._staff_row,
            codec.CLIENT_EXPOSURE: self._client_row,
            codec.PROGRESS: self.aggregator.progress_row,
            codec.ACCUSED: lambda _: encode(self.accused),
            codec.UNCONCLUDED: self.aggregator.unconcluded_row,
            codec.STAFF_HISTORY: books.staff.row,
            codec.CONNECTOR: books.rings.row,
            codec.TASK_REVIEWER: self.reviewers.row,
            codec.REVIEWER_HISTORY: books.reviewers.row,
            codec.CASE: self.cases.row,
            codec.QUEUE_MODEL: self.cases.queue.row,
        }

    def _decide_case(self, event: CaseEvent) -> StaffDecision | None:
        """Apply an event of a staff member's or a ring's case; return the decision if a verdict came into force."""
        decision = self.cases.on_event(event)
        self.cases.show(event.case_id)  # it was shown before with this event, and may be another now
        if decision is None:
            return None
        muted_until = seconds(decision.muted_until)
        return StaffDecision(event.occurred_at.timestamp(), event.subject.id, decision.verdict, muted_until)

    def changed(self) -> list[tuple[bytes, bytes | None]]:
        """Return the rows that have changed since the last call (None: removed), in order of kind and name."""
        if self._is_blank():
            return []
        for single in (codec.META, codec.BASELINE, codec.PROGRESS, codec.ACCUSED):
            self.changed_names[single].add("")
        rows: list[tuple[bytes, bytes | None]] = []
        for kind, names in self.changed_names.items():
            write = self._writers[kind]
            rows += [(kind + name.encode(), write(name)) for name in sorted(names)]
            names.clear()
        return rows

    def digest(self) -> str:
        """Return the digest of the whole state in order of keys (32 hex digits); equal states have equal digests."""
        total = hashlib.blake2b(digest_size=16)
        for kind, names in self._names():
            write = self._writers[kind]
            for name in sorted(names):
                key, value = kind + name.encode(), write(name)
                assert value is not None, "only names of rows that exist"
                total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        return total.hexdigest()

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
        conclusions = self.accused.reviewers
        for one in conclusions.take_watched(day):
            if one.is_watched:
                reviewer_id = one.reviewer_id
                count = 0
                for seller in self.sellers.values():
                    count += len(seller.reviewers.get(reviewer_id, ()))
                self.reviewers.watch(reviewer_id, count)
            else:
                self.reviewers.end_watch(one.reviewer_id)
        for seller_id in sorted(conclusions.advance(day)):
            self.note_named_reviewers(seller_id)

    def note_named_reviewers(self, seller_id: str) -> None:
        """Note in a seller's case which of its reviews named reviewers have turned."""
        at = dt.datetime.fromtimestamp(self.clock, dt.UTC)
        self.cases.on_named_reviewers(seller_id, self.accused.reviewers.turned_by(seller_id), at)

    def forget_reviewer(self, reviewer_id: str) -> None:
        """Erase what is kept of a reviewer beside its open reviews."""
        self.reviewers.forget(reviewer_id)
        self.accused.reviewers.forget(reviewer_id)
        self.aggregator.forget_reviewer(reviewer_id)
        self.cases.forget_reviewer(reviewer_id)

    def _forget_reviewers(self) -> None:
        """Erase all reviewers: the watch on them was turned off."""
        self.reviewers.forget_all()
        self.accused.reviewers = NamedReviewers()
        for reviewer_id in list(self.aggregator.reviewers.histories):
            self.aggregator.reviewers.forget(reviewer_id)

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

    def _names(self) -> Iterator[tuple[bytes, Iterable[str]]]:
        """The names of all existing rows, by kind."""
        if self._is_blank():
            return
        yield from ((single, [""]) for single in (codec.META, codec.BASELINE, codec.PROGRESS, codec.ACCUSED))
        yield codec.PATTERNS, self.patterns.names()
        yield codec.REVIEW, self.reviews
        yield codec.SELLER, self.sellers
        yield codec.FLIP, (name for seller in self.sellers.values() for name in codec.flip_names(seller))
        yield codec.PRODUCT, self.products
        yield codec.EVENT_IDS, self.deduplicator.names()
        yield codec.PENDING_CHANGE, self.pending_changes.names()
        yield codec.CLOSED_REVIEW, self.closed_reviews.names()
        yield codec.STAFF_EXPOSURE, self.staff
        yield codec.CLIENT_EXPOSURE, (one.name for staff in self.staff.values() for one in staff.clients.values())
        yield codec.UNCONCLUDED, self.aggregator.unconcluded
        yield codec.STAFF_HISTORY, self.aggregator.staff.histories
        yield codec.CONNECTOR, self.aggregator.rings.connectors
        yield codec.TASK_REVIEWER, self.reviewers.names()
        yield codec.REVIEWER_HISTORY, self.aggregator.reviewers.histories
        yield codec.CASE, self.cases.cases
        yield codec.QUEUE_MODEL, self.cases.queue.names()

    def _is_blank(self) -> bool:
        """Whether the task has applied no event and no message yet."""
        if self.announced_through >= 0 or self.requested_through >= 0:
            return False
        return not (
            self.counts or self.aggregator.progress.reported_through or self.accused.concluded_through is not None
        )

    def _meta_row(self, _: str) -> bytes:
        counts = dict(sorted(self.counts.items()))
        return codec.meta_row(
            self.clock, self.deduplicator.count, self.announced_through, counts, self.model, self.requested_through
        )

    def _pattern_row(self, name: str) -> bytes:
        if name:
            return encode(self.patterns.learned(name))
        return encode(PatternsRow(ROW_VERSION, self.patterns.count, self.patterns.scores))

    def _review_row(self, name: str) -> bytes | None:
        review = self.reviews.get(name)
        return None if review is None else codec.review_row(review)

    def _seller_row(self, name: str) -> bytes | None:
        seller = self.sellers.get(name)
        return None if seller is None else codec.seller_row(seller)

    def _product_row(self, name: str) -> bytes | None:
        product = self.products.get(name)
        return None if product is None else codec.product_row(product)

    def _staff_row(self, name: str) -> bytes | None:
        staff = self.staff.get(name)
        return None if staff is None else codec.staff_exposure_row(staff)

    def _client_row(self, name: str) -> bytes | None:
        seller_id, _, actor_id = name.partition(" ")
        staff = self.staff.get(actor_id)
        client = None if staff is None else staff.clients.get(seller_id)
        return None if client is None else codec.client_exposure_row(client)

    def _flip_row(self, name: str) -> bytes | None:
        slot, _, seller_id = name.partition("/")
        seller = self.sellers.get(seller_id)
        return None if seller is None else codec.flip_row(seller, int(slot))

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Restore the state from the rows that `changed` gave.

        Args:
            rows: Key and value of each row, in any order.

        Raises:
            StateError: A row cannot be read.
        """
        found: defaultdict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
        for key, value in rows:
            if key[:2] not in self._writers:
                raise StateError(f"the state topic holds a row {key!r} that this version does not know")
            found[key[:2]].append((key[2:].decode(), value))
        for kind, load in self._loaders().items():
            for name, value in found.pop(kind, ()):
                load(name, value)
        self._load_flips(found[codec.FLIP])
        self._load_patterns(found[codec.PATTERNS])
        self.deduplicator.finish_load(self.deduplicator.count)
        self.pending_changes.finish_load()
        self.reviews = {
            name: codec.review_of(name, value, self.sellers, self.staff) for name, value in sorted(found[codec.REVIEW])
        }
        self._rebuild()

    def _loaders(self) -> dict[bytes, Callable[[str, bytes], None]]:
        """What restores a row, for the kinds that `restore` does not load itself because they need others."""

        def meta(_: str, value: bytes) -> None:
            row = codec.meta_of(value, self.model)
            self.clock, self.deduplicator.count = row.clock, row.event_id_count
            self.counts.clear()  # others hold this object
            self.counts.update(row.counts)
            self.announced_through, self.requested_through = row.announced_through, row.requested_through

        def accused(_: str, value: bytes) -> None:
            self.accused = decode(value, AccusedStaff)

        def client(name: str, value: bytes) -> None:
            seller_id, _, actor_id = name.partition(" ")
            codec.load_client_exposure(self.get_or_add_staff(actor_id).get_or_add_client(seller_id), value)

        return {
            codec.META: meta,  # first: it refuses the rows of another model
            codec.BASELINE: lambda _, value: codec.load_baseline(self.baseline, value),
            codec.SELLER: lambda name, value: self.sellers.update({name: codec.seller_of(name, value)}),
            codec.PRODUCT: lambda name, value: self.products.update({name: codec.product_of(value)}),
            codec.STAFF_EXPOSURE: lambda name, value: self.staff.update({name: codec.staff_exposure_of(name, value)}),
            codec.CLIENT_EXPOSURE: client,  # after the staff
            codec.EVENT_IDS: self.deduplicator.load,
            codec.PENDING_CHANGE: self.pending_changes.load,
            codec.CLOSED_REVIEW: self.closed_reviews.load,
            codec.ACCUSED: accused,
            codec.PROGRESS: self.aggregator.load_progress,
            codec.UNCONCLUDED: self.aggregator.load_unconcluded,
            codec.STAFF_HISTORY: self.aggregator.staff.load,
            codec.CONNECTOR: self.aggregator.rings.load,
            codec.TASK_REVIEWER: self.reviewers.load,
            codec.REVIEWER_HISTORY: self.aggregator.reviewers.load,
            codec.CASE: self.cases.load,
            codec.QUEUE_MODEL: self.cases.queue.load,
        }

    def _load_flips(self, rows: list[tuple[str, bytes]]) -> None:
        flips: defaultdict[str, list[FlipRow]] = defaultdict(list)
        for name, value in rows:
            flips[name.partition("/")[2]].append(decode(value, FlipRow))
        for name, seller in self.sellers.items():
            codec.load_flips(seller, flips[name])

    def _load_patterns(self, rows: list[tuple[str, bytes]]) -> None:
        learned: dict[str, list[float]] = {}
        for name, value in rows:
            if name:
                learned[name] = decode(value, list[float])
            else:
                row = decode(value, PatternsRow)
                self.patterns.count, self.patterns.scores = row.count, row.scores
        try:
            self.patterns.relearn(learned)
        except (KeyError, ValueError) as error:
            raise StateError(f"the state topic lacks features of earlier flips, or holds others: {error}") from None

    def _rebuild(self) -> None:
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
