"""Closed reviews: critical reviews that flipped or were removed, so that no event is applied to them a second time.

A file that is fed again brings their events again, long after the deduplication has forgotten the ids.

Invariant: a review is kept for the follow-up time after it was closed. After that time its creation is too old to be
added to the risk set.
"""

from __future__ import annotations

from collections.abc import Iterable

from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.state.rows import ClosedReviewRow


class ClosedReviews:
    """The times of the latest flip or removal, by the name of the review.

    Attributes:
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self._closed_at: dict[str, float] = {}

    def add(self, name: str, at: float) -> None:
        """Note that a review was closed `at` (epoch seconds)."""
        self._closed_at[name] = max(at, self._closed_at.get(name, at))
        self.changed.add(name)

    def covers(self, name: str, at: float) -> bool:
        """Return whether a change of a review that occurred `at` (epoch seconds) is applied already.

        A later change is another one: for example the author of an upgraded review has lowered its rating again.
        """
        closed_at = self._closed_at.get(name)
        return closed_at is not None and at <= closed_at

    def drop_before(self, horizon: float) -> None:
        """Drop the reviews that were closed before `horizon` (epoch seconds): the bound on this class's memory."""
        for name in [name for name, closed_at in self._closed_at.items() if closed_at < horizon]:
            del self._closed_at[name]
            self.changed.add(name)

    def names(self) -> Iterable[str]:
        """Return the names of the existing rows."""
        return self._closed_at

    def row(self, name: str) -> bytes | None:
        """Encode a closed review; None if it was dropped."""
        closed_at = self._closed_at.get(name)
        return None if closed_at is None else encode(ClosedReviewRow(ROW_VERSION, closed_at))

    def load(self, name: str, value: bytes) -> None:
        """Restore a closed review from its row."""
        self._closed_at[name] = decode(value, ClosedReviewRow).closed_at
