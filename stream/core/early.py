"""Edits and deletions whose review has not been seen yet: they overtook its creation.

Rule of this room: bounded; the one that was remembered first goes first.
"""

from __future__ import annotations

from typing import Final

from stream.core.codec import decode, encode
from stream.core.rows import EarlyRow

LIMIT: Final = 10_000


class Early:
    """At most LIMIT changes, by review; `changed` holds the names of rows that differ since they were last written."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self._rows: dict[str, EarlyRow] = {}

    def remember(self, review_id: str, at: float, rating: int | None, number: int) -> None:
        """Keep a change for when its review comes; `number` rises from call to call."""
        self._rows.pop(review_id, None)  # the latest word counts, and stands last
        self._rows[review_id] = EarlyRow(at, rating, number)
        self.changed.add(review_id)
        if len(self._rows) > LIMIT:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self.changed.add(oldest)

    def take(self, review_id: str, created_at: float) -> EarlyRow | None:
        """The change that a review of this time has already gone through, which is forgotten now."""
        row = self._rows.get(review_id)
        if row is None or row.at < created_at:
            return None
        self.changed.add(review_id)
        return self._rows.pop(review_id)

    def names(self) -> list[str]:
        """Names of the rows that exist."""
        return list(self._rows)

    def row(self, name: str) -> bytes | None:
        """A row, None where there is nothing any more."""
        row = self._rows.get(name)
        return None if row is None else encode(row)

    def load(self, name: str, value: bytes) -> None:
        """Take a row back."""
        self._rows[name] = decode(value, EarlyRow)

    def loaded(self) -> None:
        """All rows are back, in any order: put them in theirs."""
        self._rows = dict(sorted(self._rows.items(), key=lambda item: item[1].number))
