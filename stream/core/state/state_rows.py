"""The rows that hold the state of a task: what has changed since they were last written, their digest, and a restore.

Invariant: a row is a function of the state, never of the time at which it is written. Writing rows changes nothing
except which rows count as changed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from stream.core.aggregation.conclusions_in_force import ConclusionsInForce
from stream.core.model.encoding import ROW_VERSION, StateError, decode, encode
from stream.core.state import codec
from stream.core.state.rows import FlipRow, PatternsRow
from stream.core.state.state import State


class StateRows:
    """The rows of one task's state.

    Args:
        state: The state.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._writers: dict[bytes, Callable[[str], bytes | None]] = {
            codec.META: self._meta_row,
            codec.BASELINE: lambda _: codec.baseline_row(state.baseline),
            codec.PATTERNS: self._pattern_row,
            codec.REVIEW: self._review_row,
            codec.SELLER: self._seller_row,
            codec.FLIP: self._flip_row,
            codec.PRODUCT: self._product_row,
            codec.EVENT_IDS: state.deduplicator.row,
            codec.PENDING_CHANGE: state.pending_changes.row,
            codec.CLOSED_REVIEW: state.closed_reviews.row,
            codec.STAFF_EXPOSURE: self._staff_row,
            codec.CLIENT_EXPOSURE: self._client_row,
            codec.PROGRESS: state.aggregator.progress_row,
            codec.ACCUSED: lambda _: encode(state.conclusions),
            codec.UNCONCLUDED: state.aggregator.unconcluded_row,
            codec.STAFF_HISTORY: state.aggregator.staff.row,
            codec.CONNECTOR: state.aggregator.connectors.row,
            codec.TASK_REVIEWER: state.reviewers.row,
            codec.REVIEWER_HISTORY: state.aggregator.reviewers.row,
            codec.CASE: state.cases.row,
            codec.QUEUE_MODEL: state.cases.queue.row,
        }

    def changed(self) -> list[tuple[bytes, bytes | None]]:
        """Return the rows that have changed since the last call (None: removed), in order of kind and name."""
        state = self._state
        if state.is_blank():
            return []
        for single in (codec.META, codec.BASELINE, codec.PROGRESS, codec.ACCUSED):
            state.changed_names[single].add("")
        rows: list[tuple[bytes, bytes | None]] = []
        for kind, names in state.changed_names.items():
            write = self._writers[kind]
            rows += [(kind + name.encode(), write(name)) for name in sorted(names)]
            names.clear()
        return rows

    def has_changed(self) -> bool:
        """Whether a row has changed since the last call of `changed`, beside those that every call returns."""
        return any(self._state.changed_names.values())

    def digest(self) -> str:
        """Return the digest of the whole state in order of keys (32 hex digits); equal states have equal digests."""
        total = hashlib.blake2b(digest_size=16)
        for kind, names in self.names():
            write = self._writers[kind]
            for name in sorted(names):
                key, value = kind + name.encode(), write(name)
                assert value is not None, "only names of rows that exist"
                total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        return total.hexdigest()

    def names(self) -> Iterator[tuple[bytes, Iterable[str]]]:
        """The names of all existing rows, by kind."""
        state = self._state
        if state.is_blank():
            return
        yield from ((single, [""]) for single in (codec.META, codec.BASELINE, codec.PROGRESS, codec.ACCUSED))
        yield codec.PATTERNS, state.patterns.names()
        yield codec.REVIEW, state.reviews
        yield codec.SELLER, state.sellers
        yield codec.FLIP, (name for seller in state.sellers.values() for name in codec.flip_names(seller))
        yield codec.PRODUCT, state.products
        yield codec.EVENT_IDS, state.deduplicator.names()
        yield codec.PENDING_CHANGE, state.pending_changes.names()
        yield codec.CLOSED_REVIEW, state.closed_reviews.names()
        yield codec.STAFF_EXPOSURE, state.staff
        yield codec.CLIENT_EXPOSURE, (one.name for staff in state.staff.values() for one in staff.clients.values())
        yield codec.UNCONCLUDED, state.aggregator.unconcluded
        yield codec.STAFF_HISTORY, state.aggregator.staff.histories
        yield codec.CONNECTOR, state.aggregator.connectors.connectors
        yield codec.TASK_REVIEWER, state.reviewers.names()
        yield codec.REVIEWER_HISTORY, state.aggregator.reviewers.histories
        yield codec.CASE, state.cases.cases
        yield codec.QUEUE_MODEL, state.cases.queue.names()

    def _meta_row(self, _: str) -> bytes:
        state = self._state
        counts = dict(sorted(state.counts.items()))
        return codec.meta_row(
            state.clock, state.deduplicator.count, state.announced_through, counts, state.model, state.requested_through
        )

    def _pattern_row(self, name: str) -> bytes:
        patterns = self._state.patterns
        if name:
            return encode(patterns.learned(name))
        return encode(PatternsRow(ROW_VERSION, patterns.count, patterns.scores))

    def _review_row(self, name: str) -> bytes | None:
        review = self._state.reviews.get(name)
        return None if review is None else codec.review_row(review)

    def _seller_row(self, name: str) -> bytes | None:
        seller = self._state.sellers.get(name)
        return None if seller is None else codec.seller_row(seller)

    def _product_row(self, name: str) -> bytes | None:
        product = self._state.products.get(name)
        return None if product is None else codec.product_row(product)

    def _staff_row(self, name: str) -> bytes | None:
        staff = self._state.staff.get(name)
        return None if staff is None else codec.staff_exposure_row(staff)

    def _client_row(self, name: str) -> bytes | None:
        seller_id, _, actor_id = name.partition(" ")
        staff = self._state.staff.get(actor_id)
        client = None if staff is None else staff.clients.get(seller_id)
        return None if client is None else codec.client_exposure_row(client)

    def _flip_row(self, name: str) -> bytes | None:
        slot, _, seller_id = name.partition("/")
        seller = self._state.sellers.get(seller_id)
        return None if seller is None else codec.flip_row(seller, int(slot))

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Restore the state from the rows that `changed` gave.

        Args:
            rows: Key and value of each row, in any order.

        Raises:
            StateError: A row cannot be read.
        """
        state = self._state
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
        state.deduplicator.finish_load(state.deduplicator.count)
        state.pending_changes.finish_load()
        state.reviews = {
            name: codec.review_of(name, value, state.sellers, state.staff)
            for name, value in sorted(found[codec.REVIEW])
        }
        state.rebuild()

    def _loaders(self) -> dict[bytes, Callable[[str, bytes], None]]:
        """What restores a row, for the kinds that `restore` does not load itself because they need others."""
        state = self._state

        def meta(_: str, value: bytes) -> None:
            row = codec.meta_of(value, state.model)
            state.clock, state.deduplicator.count = row.clock, row.event_id_count
            state.counts.clear()  # others hold this object
            state.counts.update(row.counts)
            state.announced_through, state.requested_through = row.announced_through, row.requested_through

        def accused(_: str, value: bytes) -> None:
            state.conclusions = decode(value, ConclusionsInForce)

        def client(name: str, value: bytes) -> None:
            seller_id, _, actor_id = name.partition(" ")
            codec.load_client_exposure(state.get_or_add_staff(actor_id).get_or_add_client(seller_id), value)

        return {
            codec.META: meta,  # first: it refuses the rows of another model
            codec.BASELINE: lambda _, value: codec.load_baseline(state.baseline, value),
            codec.SELLER: lambda name, value: state.sellers.update({name: codec.seller_of(name, value)}),
            codec.PRODUCT: lambda name, value: state.products.update({name: codec.product_of(value)}),
            codec.STAFF_EXPOSURE: lambda name, value: state.staff.update({name: codec.staff_exposure_of(name, value)}),
            codec.CLIENT_EXPOSURE: client,  # after the staff
            codec.EVENT_IDS: state.deduplicator.load,
            codec.PENDING_CHANGE: state.pending_changes.load,
            codec.CLOSED_REVIEW: state.closed_reviews.load,
            codec.ACCUSED: accused,
            codec.PROGRESS: state.aggregator.load_progress,
            codec.UNCONCLUDED: state.aggregator.load_unconcluded,
            codec.STAFF_HISTORY: state.aggregator.staff.load,
            codec.CONNECTOR: state.aggregator.connectors.load,
            codec.TASK_REVIEWER: state.reviewers.load,
            codec.REVIEWER_HISTORY: state.aggregator.reviewers.load,
            codec.CASE: state.cases.load,
            codec.QUEUE_MODEL: state.cases.queue.load,
        }

    def _load_flips(self, rows: list[tuple[str, bytes]]) -> None:
        flips: defaultdict[str, list[FlipRow]] = defaultdict(list)
        for name, value in rows:
            flips[name.partition("/")[2]].append(decode(value, FlipRow))
        for name, seller in self._state.sellers.items():
            codec.load_flips(seller, flips[name])

    def _load_patterns(self, rows: list[tuple[str, bytes]]) -> None:
        patterns = self._state.patterns
        learned: dict[str, list[float]] = {}
        for name, value in rows:
            if name:
                learned[name] = decode(value, list[float])
            else:
                row = decode(value, PatternsRow)
                patterns.count, patterns.scores = row.count, row.scores
        try:
            patterns.relearn(learned)
        except (KeyError, ValueError) as error:
            raise StateError(f"the state topic lacks features of earlier flips, or holds others: {error}") from None
