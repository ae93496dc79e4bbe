"""The seasonality of a market: more reviews on some days of the week and in some months.

Invariant: seasonality moves review creations within the run, adds or loses none, and uses no draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stream.market.hazards import DAY

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seasonality:
    """Relative rates of review creation; the default is a constant rate."""

    #: By day of the week, Monday first.
    weekdays: tuple[float, ...] = (1.0,) * 7
    #: A yearly wave: its amplitude relative to the mean rate, and the day of the year with the highest rate.
    wave: float = 0.0
    peak_day: float = 0.0

    def moved(self, evenly: Times, start: float, until: float) -> Times:
        """Move times that are uniform over the run so that their density follows the rates (inverse transform)."""
        if self == Seasonality():
            return evenly
        edges = np.append(np.arange(start, until, DAY), until)
        days = edges[:-1] // DAY
        weekly = np.array(self.weekdays)[(days.astype(np.int64) + 3) % 7]  # the epoch began on a Thursday
        yearly = 1 + self.wave * np.cos(2 * math.pi * (days - self.peak_day) / 365.25)
        cumulative = np.append(0.0, np.cumsum(weekly * yearly * np.diff(edges)))
        moved: Times = np.interp((evenly - start) / (until - start) * cumulative[-1], cumulative, edges)
        return moved
