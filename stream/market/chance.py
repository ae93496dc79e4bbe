"""Draws that more than one room makes.

Rule of this room: all randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

Chosen = TypeVar("Chosen")


@dataclass(frozen=True)
class Weighted(Generic[Chosen]):
    """A choice with weights; far quicker for single draws than numpy's `choice`."""

    values: tuple[Chosen, ...]
    edges: tuple[float, ...]

    def draw(self, random: np.random.Generator) -> Chosen:
        return self.values[bisect_right(self.edges, random.random())]


def weighted(weights: dict[Chosen, float]) -> Weighted[Chosen]:
    """A choice among the keys."""
    total = sum(weights.values())
    return Weighted(tuple(weights), tuple(accumulate(weight / total for weight in weights.values()))[:-1])


def one_of(random: np.random.Generator, values: Sequence[Chosen]) -> Chosen:
    """One of them, all alike; where there is no choice no draw is spent."""
    return values[0] if len(values) == 1 else values[int(random.integers(len(values)))]


def lognormal(random: np.random.Generator, median: float, sigma: float) -> float:
    """A lognormal draw, by its median."""
    return float(random.lognormal(math.log(median), sigma))


def between(random: np.random.Generator, ends: tuple[float, float]) -> float:
    """A uniform draw."""
    return float(random.uniform(*ends))


def times_between(random: np.random.Generator, ends: tuple[float, float]) -> float:
    """A draw uniform in the logarithm: for factors and rates, of which half and double are equally far."""
    return math.exp(random.uniform(math.log(ends[0]), math.log(ends[1])))
