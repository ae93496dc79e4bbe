"""A task's whole state: `apply` takes the next event and gives alerts; `changed` gives the rows that differ since.

Rule of this room: the state follows from the sequence of applied events and nothing else: no clock, no randomness,
no batching. Time is the latest event time seen ("clock"); what falls due before an event happens before it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any, Final

import msgspec

from stream.alerts import Alert
from stream.core import codec
from stream.core.bands import FOLLOW_SECONDS
from stream.core.cases import Accuser
from stream.core.norm import Norm
from stream.core.patterns import Display, FlipPatterns
from stream.core.reviews import Review
from stream.core.seen import Seen
from stream.core.subjects import Flip, Seller
from stream.events import (
    CRITICAL_STARS,
    INCENTIVES,
    ContactAccessed,
    Event,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
)

#: Edits and deletions remembered whose review has not been seen yet (they overtook it); the oldest go first.
EARLY_LIMIT: Final = 10_000
HOUR: Final = 3600.0


class Detector:
    """One task's reviews, sellers, products, norm and models."""

    def __init__(self, budget: float, config_digest: str) -> None:
        self.clock = float("-inf")
        self.counts: Counter[str] = Counter()
        self.norm = Norm()
        self.reviews: dict[str, Review] = {}
        self.sellers: dict[str, Seller] = {}
        self.products: dict[str, Display] = {}
        self.patterns = FlipPatterns()
        self._seen = Seen()
        self._early: dict[str, tuple[float, int | None]] = {}
        self._timers: list[tuple[float, str]] = []
        self._accuser = Accuser(budget, config_digest)
        self._dirty: set[bytes] = set()
        self._handlers: dict[type[Event], Callable[[Any, float], list[Alert]]] = {
            ReviewCreated: self._created,
            ReviewEdited: self._edited,
            ReviewDeleted: self._deleted,
            OutreachSent: self._outreach,
            ContactAccessed: self._access,
        }

    def apply(self, event: Event, late: bool = False) -> list[Alert]:
        """Take the next event; a second delivery is dropped and counted, a late one applied at the clock."""
        if not self._seen.add(event.event_id):
            self.counts["duplicate"] += 1
            return []
        at = event.occurred_at.timestamp()
        if at > self.clock:
            self._advance(at)
        self.counts["applied"] += 1
        if late:
            self.counts["late"] += 1
        return self._handlers[type(event)](event, at)

    # -- time ---------------------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        if self.clock == float("-inf"):
            self.norm.start(now)
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, review_id = heappop(timers)
            review = self.reviews.get(review_id)
            if review is not None and review.due == due:
                self.norm.roll(due)
                self.clock = due
                self._retire_or_move(review)
        self.norm.roll(now)
        self.clock = now

    def _retire_or_move(self, review: Review) -> None:
        if self.clock >= review.created_at + FOLLOW_SECONDS:
            self.counts["retired"] += 1
            self._remove(review)
        else:
            self._replace(review)

    # -- events -------------------------------------------------------------------------------------------------

    def _created(self, event: ReviewCreated, at: float) -> list[Alert]:
        if event.review_id in self.reviews:
            self.counts["known_review"] += 1
            return []
        rating: int | None = event.rating
        early = self._early.get(event.review_id)
        if early is not None and early[0] >= at:
            self.counts["overtaken_review"] += 1
            del self._early[event.review_id]
            self._dirty.add(codec.EARLY + event.review_id.encode())
            rating = early[1]
        if rating is None:
            return []
        alerts = self._display(event.product_id, event.seller_id, 1, rating, 0.0, event.event_id)
        if rating <= CRITICAL_STARS:
            self._follow(event, rating, at)
        return alerts

    def _edited(self, event: ReviewEdited, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        if review is None:
            return self._edited_unseen(event, at)
        moved = event.rating - review.rating
        if event.rating > CRITICAL_STARS:
            return self._flip(review, event.event_id, moved, retracted=False)
        alerts = self._display(review.product_id, review.seller_id, 0, moved, float(moved), event.event_id)
        if moved:
            review.rating = event.rating
            self._replace(review)
        return alerts

    def _edited_unseen(self, event: ReviewEdited, at: float) -> list[Alert]:
        """Not at risk until now: it was uncritical, or was never seen, or its creation is still to come."""
        before = event.previous_rating
        if before is None or before <= CRITICAL_STARS:
            self.counts["unseen_edit"] += 1
            self._remember(event.review_id, at, event.rating)
        moved = event.rating - before if before is not None else 0
        alerts = self._display(event.product_id, event.seller_id, 0, moved, float(moved), event.event_id)
        if event.rating <= CRITICAL_STARS and before is not None:
            self._follow(event, event.rating, at)
        return alerts

    def _deleted(self, event: ReviewDeleted, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        if review is None:
            if event.rating is None or event.rating <= CRITICAL_STARS:
                self.counts["unseen_deletion"] += 1
                self._remember(event.review_id, at, None)
            return (
                self._display(event.product_id, event.seller_id, -1, -(event.rating or 0), 0.0, event.event_id)
                if event.rating
                else []
            )
        if event.deleted_by == "platform":
            self.counts["removed"] += 1
            self._remove(review)
            return self._display(review.product_id, review.seller_id, -1, -review.rating, 0.0, event.event_id)
        return self._flip(review, event.event_id, 0, retracted=True)

    def _outreach(self, event: OutreachSent, at: float) -> list[Alert]:
        touched = 0
        for review in self._concerned(event):
            if review.contacted_at is None or at > review.contacted_at:
                review.contacted_at = max(at, review.created_at)
                review.incentive = review.incentive or event.channel in INCENTIVES
                self._replace(review)
            touched += 1
        if not touched:
            self.counts["unmatched_outreach"] += 1
        return []

    def _access(self, event: ContactAccessed, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        if review is None:
            self.counts["unmatched_access"] += 1
        elif review.looked_up_at is None or at > review.looked_up_at:
            review.looked_up_at = max(at, review.created_at)
            self._replace(review)
        return []

    def _concerned(self, event: OutreachSent) -> list[Review]:
        if event.review_id is not None:
            review = self._own(event.review_id, event.seller_id)
            return [review] if review is not None else []
        seller = self.sellers.get(event.seller_id)
        ids = seller.reviewers.get(event.reviewer_id, []) if seller else []
        return [self.reviews[review_id] for review_id in sorted(ids)]

    def _own(self, review_id: str, seller_id: str) -> Review | None:
        """The open critical review, unless it is said to be another seller's."""
        review = self.reviews.get(review_id)
        return review if review is not None and review.seller_id == seller_id else None

    # -- reviews at risk ----------------------------------------------------------------------------------------

    def _follow(self, event: ReviewCreated | ReviewEdited, rating: int, at: float) -> None:
        if at + FOLLOW_SECONDS <= self.clock:
            self.counts["retired"] += 1
            return
        review = Review(event.review_id, event.seller_id, event.product_id, event.reviewer_id, rating, at)
        self.reviews[review.review_id] = review
        seller = self._seller(review.seller_id)
        seller.reviewers.setdefault(review.reviewer_id, []).append(review.review_id)
        self._place(review, seller)

    def _place(self, review: Review, seller: Seller) -> None:
        review.place(self.clock)
        seller.move(review.cell, 1, self.norm, self.clock)
        heappush(self._timers, (review.due, review.review_id))
        self._dirty.add(codec.REVIEW + review.review_id.encode())
        self._dirty.add(codec.SELLER + seller.seller_id.encode())

    def _replace(self, review: Review) -> None:
        seller = self.sellers[review.seller_id]
        seller.move(review.cell, -1, self.norm, self.clock)
        self._place(review, seller)

    def _remove(self, review: Review) -> None:
        seller = self.sellers[review.seller_id]
        seller.move(review.cell, -1, self.norm, self.clock)
        ids = seller.reviewers[review.reviewer_id]
        ids.remove(review.review_id)
        if not ids:
            del seller.reviewers[review.reviewer_id]
        del self.reviews[review.review_id]
        self._dirty.add(codec.REVIEW + review.review_id.encode())
        self._dirty.add(codec.SELLER + seller.seller_id.encode())

    def _seller(self, seller_id: str) -> Seller:
        seller = self.sellers.get(seller_id)
        if seller is None:
            seller = self.sellers[seller_id] = Seller(seller_id, self.clock)
        return seller

    def _remember(self, review_id: str, at: float, rating: int | None) -> None:
        self._early[review_id] = (at, rating)
        self._dirty.add(codec.EARLY + review_id.encode())
        if len(self._early) > EARLY_LIMIT:
            oldest = min(self._early, key=lambda name: (self._early[name][0], name))
            del self._early[oldest]
            self._dirty.add(codec.EARLY + oldest.encode())

    # -- flips --------------------------------------------------------------------------------------------------

    def _flip(self, review: Review, event_id: str, moved: int, retracted: bool) -> list[Alert]:
        now, seller = self.clock, self.sellers[review.seller_id]
        shown = self.products.get(review.product_id)
        lift = max(0.0, shown.rating - review.rating) if retracted and shown else float(moved)
        contact = review.contacted_at
        flip = Flip(
            at=now,
            review_id=review.review_id,
            stars=lift,
            retracted=retracted,
            incentive=review.incentive,
            contact_hours=None if contact is None else max(0.0, now - contact) / HOUR,
        )
        self.counts["retracted" if retracted else "upgraded"] += 1
        seller.settle_all(self.norm, now)
        seller.flip(review.cell, flip, self.norm)
        percentile = self.patterns.score(self._accuser.features(seller, flip, now - review.created_at))
        alerts = self._accuser.judge(seller, self.norm, event_id, now, percentile)
        self._remove(review)
        self._dirty.add(codec.HISTORY + seller.seller_id.encode())
        stars = -review.rating if retracted else moved
        alerts += self._display(review.product_id, review.seller_id, -1 if retracted else 0, stars, lift, event_id)
        return self._sign(alerts, seller)

    def _display(
        self, product_id: str, seller_id: str, reviews: int, stars: int, lift: float, event_id: str
    ) -> list[Alert]:
        shown = self.products.get(product_id)
        if shown is None:
            shown = self.products[product_id] = Display()
        shown.show(reviews, stars)
        self._dirty.add(codec.PRODUCT + product_id.encode())
        tape = shown.learn(self.clock, lift)
        seller = self.sellers.get(seller_id)
        if not tape or seller is None:
            return []
        return self._sign(self._accuser.shift(seller, product_id, tape, event_id, self.clock), seller)

    def _sign(self, alerts: list[Alert], seller: Seller) -> list[Alert]:
        """Give alerts the digest of what they were computed from: the subject's rows and the norm's."""
        if not alerts:
            return []
        self._dirty.add(codec.SELLER + seller.seller_id.encode())
        rows = codec.seller_row(seller) + codec.history_row(seller) + codec.norm_row(self.norm)
        digest = hashlib.blake2b(rows, digest_size=16).hexdigest()
        self.counts["alerts"] += sum(not alert.state_digest for alert in alerts)
        return [_signed(alert, digest) for alert in alerts]

    # -- rows ---------------------------------------------------------------------------------------------------

    def changed(self) -> list[tuple[bytes, bytes | None]]:
        """The rows that differ since the last call (None: gone), in order of their keys."""
        if not self.counts:
            return []
        rows: list[tuple[bytes, bytes | None]] = [(key, self._row(key)) for key in sorted(self._dirty)]
        self._dirty.clear()
        rows += self._seen.changed()
        rows += [
            (codec.META, codec.meta_row(self.clock, self._seen.count, dict(sorted(self.counts.items())))),
            (codec.NORM, codec.norm_row(self.norm)),
            (codec.PATTERNS, codec.encode([codec.VERSION, *self.patterns.dump()])),
        ]
        return rows

    def _row(self, key: bytes) -> bytes | None:
        kind, name = key[:2], key[2:].decode()
        if kind == codec.REVIEW:
            review = self.reviews.get(name)
            return None if review is None else codec.review_row(review)
        if kind == codec.SELLER:
            return codec.seller_row(self.sellers[name])
        if kind == codec.HISTORY:
            return codec.history_row(self.sellers[name])
        if kind == codec.PRODUCT:
            return codec.product_row(self.products[name])
        early = self._early.get(name)
        return None if early is None else codec.encode(early)

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Take on the state that `changed` gave; raises StateError for a row that cannot be read."""
        histories: list[tuple[str, bytes]] = []
        for key, value in rows:
            kind, name = key[:2], key[2:].decode()
            if kind == codec.REVIEW:
                self.reviews[name] = codec.review_of(name, value)
            elif kind == codec.SELLER:
                self.sellers[name] = codec.seller_of(name, value)
            elif kind == codec.HISTORY:
                histories.append((name, value))
            elif kind == codec.PRODUCT:
                self.products[name] = codec.product_of(value)
            elif kind == codec.SEEN:
                self._seen.load(int(name), value)
            elif kind == codec.EARLY:
                self._early[name] = codec.decode(value, tuple[float, int | None])
            else:
                self._restore_single(key, value)
        for name, value in histories:
            codec.load_history(self.sellers[name], value)
        self._rebuild()

    def _restore_single(self, key: bytes, value: bytes) -> None:
        if key == codec.META:
            meta = codec.decode(value, codec.MetaRow)
            self.clock, self._seen.count, self.counts = meta.clock, meta.seen, Counter(meta.counts)
        elif key == codec.NORM:
            codec.load_norm(self.norm, value)
        elif key == codec.PATTERNS:
            row = codec.decode(value, codec.PatternsRow)
            self.patterns.load([row.counter, row.first_window, row.masses, row.seen])
        else:
            raise codec.StateError(f"the state topic holds a row {key!r} that this version does not know")

    def _rebuild(self) -> None:
        """Derive what is not stored: places, timers, the index of reviewers."""
        for name in sorted(self.reviews):
            review = self.reviews[name]
            review.place(self.clock)
            heappush(self._timers, (review.due, name))
            self.sellers[review.seller_id].reviewers.setdefault(review.reviewer_id, []).append(name)

    def digest(self) -> str:
        """Digest of the whole state in canonical order (32 hex digits); equal states have equal digests."""
        self._dirty.update(codec.REVIEW + name.encode() for name in self.reviews)
        self._dirty.update(kind + name.encode() for name in self.sellers for kind in (codec.SELLER, codec.HISTORY))
        self._dirty.update(codec.PRODUCT + name.encode() for name in self.products)
        self._dirty.update(codec.EARLY + name.encode() for name in self._early)
        self._seen.mark_all()
        total = hashlib.blake2b(digest_size=16)
        for key, value in self.changed():
            if value is not None and not (key[:2] == codec.HISTORY and not self.sellers[key[2:].decode()].flips):
                total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        return total.hexdigest()


def _signed(alert: Alert, digest: str) -> Alert:
    return alert if alert.state_digest else msgspec.structs.replace(alert, state_digest=digest)
