"""Draws that more than one room makes.

Rule of this room: all randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

Chosen = TypeVar("Chosen")


class Weighted(Generic[Chosen]):
    """A choice with weights; far quicker for single draws than numpy's `choice`."""

    def __init__(self, weights: dict[Chosen, float]) -> None:
        self._values = list(weights)
        total = sum(weights.values())
        self._edges = list(accumulate(weight / total for weight in weights.values()))[:-1]

    def draw(self, random: np.random.Generator) -> Chosen:
        return self._values[bisect_right(self._edges, random.random())]


def lognormal(random: np.random.Generator, median: float, sigma: float) -> float:
    """A lognormal draw, by its median."""
    return float(random.lognormal(math.log(median), sigma))


def between(random: np.random.Generator, ends: tuple[float, float]) -> float:
    """A uniform draw."""
    return float(random.uniform(*ends))
