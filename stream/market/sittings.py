"""Regular working times: one member of staff or one agency does a week's work within a few hours.

Invariant: work is done in the first sitting after it has come up, and never before that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stream.market.hazards import DAY, HOUR
from stream.market.sampling import uniform


@dataclass(frozen=True)
class Sittings:
    """Sittings at equal distances; times are epoch seconds, lengths seconds."""

    first: float
    distance: float
    length: float

    def after(self, at: float, random: np.random.Generator) -> float:
        """Draw a time within the first sitting that begins at `at` or later."""
        number = math.ceil((at - self.first) / self.distance)
        return self.first + number * self.distance + random.uniform(0, self.length)


def draw_sittings(start: float, days: float, random: np.random.Generator) -> Sittings:
    """Draw sittings at this distance, each of one to four hours."""
    return Sittings(start + random.uniform(0, days) * DAY, days * DAY, uniform(random, (1.0, 4.0)) * HOUR)
