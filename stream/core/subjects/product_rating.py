"""A product's displayed rating, and whether changed reviews shift it: river's ADWIN (Bifet and Gavalda 2007).

Invariant: as in `patterns`, the model is restored by learning again, here from its drift buffer.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import Final

from mypy_extensions import mypyc_attr

from stream.core.model.sums import total
from stream.core.subjects.river_models import ADWIN

#: Rating events after which a product is busy enough for a drift test.
MIN_EVENTS: Final = 50
#: Inputs of ADWIN that are kept; at the limit it restarts from the latest half.
BUFFER_LENGTH: Final = 512


@mypyc_attr(acyclic=True)
class DriftBuffer:
    """ADWIN's inputs since its start.

    Args:
        length: The number of inputs.
        changes: The inputs that are not zero: (index, epoch seconds, stars won).
    """

    __slots__ = ("changes", "length")

    def __init__(self, length: int, changes: list[tuple[int, float, float]]) -> None:
        self.length = length
        self.changes = changes

    def latest_half(self) -> DriftBuffer:
        """Return the second half as a buffer of its own."""
        half = self.length // 2
        return DriftBuffer(
            self.length - half,
            [(index - half, at, stars_won) for index, at, stars_won in self.changes if index >= half],
        )


@mypyc_attr(acyclic=True)
class ProductRating:
    """A product's displayed rating, and the stars that changed reviews add to it.

    For each rating event of a busy product ADWIN receives the stars that a changed review adds (0 for a new review). So
    a better product is no shift, but more frequent changes of reviews are.

    Attributes:
        reviews, stars: The number of displayed reviews, and the sum of their stars.
        events: The number of rating events.
        last_at: The time of the latest one, in epoch seconds.
        buffer: ADWIN's inputs.
    """

    __slots__ = ("_adwin", "buffer", "events", "last_at", "reviews", "stars")

    def __init__(self) -> None:
        self.reviews = 0
        self.stars = 0
        self.events = 0
        self.last_at = 0.0
        self.buffer = DriftBuffer(0, [])
        self._adwin: ADWIN | None = None  # created once a product is busy: most never are

    @property
    def rating(self) -> float:
        """The mean of the displayed ratings; 0 without reviews."""
        return self.stars / self.reviews if self.reviews > 0 else 0.0

    def record(self, at: float, reviews: int, stars: int, stars_won: float) -> DriftBuffer | None:
        """Record a rating event.

        Args:
            at: Epoch seconds.
            reviews: Change of the number of displayed reviews.
            stars: Change of the sum of stars.
            stars_won: Stars that the change of a review adds; 0 for a new review.

        Returns:
            The drift buffer up to an upward shift, if this event reveals one.
        """
        self.reviews += reviews
        self.stars += stars
        self.events += 1
        self.last_at = at
        return self._learn(at, stars_won) if self.events > MIN_EVENTS else None

    def _learn(self, at: float, stars_won: float) -> DriftBuffer | None:
        """Give ADWIN an input. Zeros are given at the next input that is not zero, all at once."""
        buffer = self.buffer
        buffer.length += 1
        if stars_won:
            zeros = buffer.length - 1 - (buffer.changes[-1][0] + 1 if buffer.changes else 0)
            buffer.changes.append((buffer.length - 1, at, stars_won))
            if self._adwin is None:
                self._adwin = ADWIN()
            if _detects_drift(self._adwin, zeros, stars_won):
                return self._restart(self._adwin)
        if buffer.length >= BUFFER_LENGTH:
            self.load(buffer.latest_half())
        return None

    def _restart(self, adwin: ADWIN) -> DriftBuffer | None:
        """Restart ADWIN after a shift; return the drift buffer up to it if it was upward."""
        buffer, self.buffer, self._adwin = self.buffer, DriftBuffer(0, []), None
        mean = total(change[2] for change in buffer.changes) / buffer.length
        # After a shift ADWIN keeps the inputs that came after it; its estimation is scaled to [0, 1].
        return buffer if 8 * adwin.estimation - 4 > mean else None

    def load(self, buffer: DriftBuffer) -> None:
        """Restart ADWIN from a drift buffer."""
        self.buffer, self._adwin = buffer, ADWIN() if buffer.changes else None
        next_index = 0
        for index, _, stars_won in buffer.changes:
            _detects_drift(self._adwin, index - next_index, stars_won)
            next_index = index + 1


def _detects_drift(adwin: ADWIN, zeros: int, stars_won: float) -> bool:
    """Give ADWIN some zeros and the stars won, scaled to [0, 1], up to the first shift; return whether there is one."""
    for value in chain(repeat(0.5, zeros), ((4 + stars_won) / 8,)):
        adwin.update(value)
        if adwin.drift_detected:
            return True
    return False
