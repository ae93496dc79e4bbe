"""The rhythm of a market: more reviews on some days of the week and in some months.

Rule of this room: a rhythm moves births within the run and neither adds nor loses one, so it spends no draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stream.market.hazards import DAY

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rhythm:
    """Relative rates; the default is an even flow."""

    #: By day of the week, Monday first.
    weekdays: tuple[float, ...] = (1.0,) * 7
    #: A yearly wave: how far the rate swings about its mean, and the day of the year when it is highest.
    wave: float = 0.0
    peak_day: float = 0.0

    def moved(self, evenly: Times, start: float, until: float) -> Times:
        """Times drawn evenly from the run, moved to where the rates want them."""
        if self == Rhythm():
            return evenly
        edges = np.append(np.arange(start, until, DAY), until)
        days = edges[:-1] // DAY
        weekly = np.array(self.weekdays)[(days.astype(np.int64) + 3) % 7]  # the epoch began on a Thursday
        yearly = 1 + self.wave * np.cos(2 * math.pi * (days - self.peak_day) / 365.25)
        grown = np.append(0.0, np.cumsum(weekly * yearly * np.diff(edges)))
        moved: Times = np.interp((evenly - start) / (until - start) * grown[-1], grown, edges)
        return moved
