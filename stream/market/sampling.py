"""Random draws that several modules of the simulator share.

Invariant: all randomness comes from the generator that the caller passes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

Option = TypeVar("Option")


@dataclass(frozen=True)
class WeightedChoice(Generic[Option]):
    """A categorical distribution; a single draw is far cheaper than numpy's `choice`."""

    options: tuple[Option, ...]
    #: Cumulative probabilities, without the last one, which is 1.
    edges: tuple[float, ...]

    def draw(self, random: np.random.Generator) -> Option:
        return self.options[bisect_right(self.edges, random.random())]


def weighted_choice(weights: dict[Option, float]) -> WeightedChoice[Option]:
    """Make a categorical distribution over the keys, with probabilities proportional to the weights."""
    total = sum(weights.values())
    return WeightedChoice(tuple(weights), tuple(accumulate(weight / total for weight in weights.values()))[:-1])


def choose(random: np.random.Generator, options: Sequence[Option]) -> Option:
    """Draw one option, all equally likely; a single option uses no draw."""
    return options[0] if len(options) == 1 else options[int(random.integers(len(options)))]


def lognormal(random: np.random.Generator, median: float, sigma: float) -> float:
    """Draw from a lognormal distribution, given by its median and the deviation of the logarithm."""
    return float(random.lognormal(math.log(median), sigma))


def uniform(random: np.random.Generator, ends: tuple[float, float]) -> float:
    """Draw uniformly between two ends."""
    return float(random.uniform(*ends))


def log_uniform(random: np.random.Generator, ends: tuple[float, float]) -> float:
    """Draw uniformly in the logarithm: for factors and rates, where half and double are equally far from 1."""
    return math.exp(random.uniform(math.log(ends[0]), math.log(ends[1])))
