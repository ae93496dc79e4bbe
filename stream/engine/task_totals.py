"""What a task has done in total, and how many flips were expected meanwhile.

Invariant: totals belong to the task's committed state, whichever worker holds it. They never fall while the state
exists, so the highest value of any worker is the true one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class TaskTotals(NamedTuple):
    """Totals as of a checkpoint.

    Attributes:
        counts: Events, flips and reviews by outcome, as the state counts them.
        dead: Dead letters by "topic/reason".
        records: For each input stream the number of offsets that are done.
        applied: Applied events by input stream.
        late: Late ones among them, in the same order.
        foreign_messages: Messages of other applications on the evidence topic.
    """

    counts: Mapping[str, int]
    dead: Mapping[str, int]
    records: list[int]
    applied: list[int]
    late: list[int]
    foreign_messages: int


class ExpectedFlips:
    """Integrates the flips that the long-run rates expect over event time, by the trapezoidal rule.

    So the sum advances with event time: a backlog of a year adds the expected flips of a year.
    """

    def __init__(self) -> None:
        self._clock = -math.inf
        self._rate = 0.0
        self._sum = 0.0

    def advance(self, clock: float, flips_per_second: float) -> None:
        """Add the expected flips since the last call.

        Args:
            clock: The latest event time applied, in epoch seconds.
            flips_per_second: The expected flips per second of event time, from here on.
        """
        if clock > self._clock > -math.inf:
            self._sum += (clock - self._clock) * (self._rate + flips_per_second) / 2
        self._clock, self._rate = clock, flips_per_second

    def take(self) -> float:
        """Return the sum since the last call of this method."""
        taken, self._sum = self._sum, 0.0
        return taken
