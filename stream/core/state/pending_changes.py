"""Pending changes: edits and deletions that came before their review's creation.

Invariant: the number of pending changes is bounded; the oldest is dropped first.
"""

from __future__ import annotations

from typing import Final

from stream.core.model.encoding import decode, encode
from stream.core.state.rows import PendingChangeRow

#: Changes that are kept.
MAX_CHANGES: Final = 10_000


class PendingChanges:
    """At most MAX_CHANGES changes, one for each review.

    Attributes:
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self._rows: dict[str, PendingChangeRow] = {}

    def add(self, name: str, at: float, rating: int | None, number: int) -> None:
        """Keep a change until its review is created.

        Args:
            name: The review, see `reviews.review_name`.
            at: When the change occurred, in epoch seconds.
            rating: The rating that the change left; None for a deletion.
            number: Order of addition; it rises from call to call.
        """
        self._rows.pop(name, None)  # the latest change counts, and comes last in the order
        self._rows[name] = PendingChangeRow(at, rating, number)
        self.changed.add(name)
        if len(self._rows) > MAX_CHANGES:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self.changed.add(oldest)

    def take(self, name: str, created_at: float) -> PendingChangeRow | None:
        """Remove and return the change of a review that was created before it.

        Args:
            name: The review, see `reviews.review_name`.
            created_at: Its creation, in epoch seconds. An earlier change belongs to an earlier review of that id.
        """
        row = self._rows.get(name)
        if row is None or row.at < created_at:
            return None
        self.changed.add(name)
        return self._rows.pop(name)

    def names(self) -> list[str]:
        """Return the names of the existing rows."""
        return list(self._rows)

    def row(self, name: str) -> bytes | None:
        """Encode a change; None if it is no longer pending."""
        row = self._rows.get(name)
        return None if row is None else encode(row)

    def load(self, name: str, value: bytes) -> None:
        """Restore a change from its row."""
        self._rows[name] = decode(value, PendingChangeRow)

    def finish_load(self) -> None:
        """Restore the order of addition once all rows are loaded."""
        self._rows = dict(sorted(self._rows.items(), key=lambda item: item[1].number))
