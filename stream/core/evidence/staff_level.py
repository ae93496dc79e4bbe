"""Evidence on a staff member's sellers when nobody knows how often flips follow this member's look-ups.

Invariant: the level of the staff member is integrated and not estimated, in the joint factor and in the probability of
the flips if all sellers are honest. An estimate from the flips would be that of an insider's bought flips, too, and
then excuse them. The joint factor is a ratio of two probabilities of the same counts, so its mean is at most one if the
level comes from the prior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from librt.vecs import vec

from stream.core.evidence.bayes import log_of_sum
from stream.core.evidence.rings import log_client_factor, log_of_honest, log_term
from stream.core.model.sums import total

#: How many times as often as expected reviews flip that one honest staff member looked up: support that solves more
#: problems has more flips at all sellers, and one that only reads has fewer than the market's looked-up ratio says.
#: The steps are small, because the flips of a desk with hundreds of sellers determine its level to a few per cent, and
#: a level that is too low would make all of them look like clients.
_LEVELS: Final = tuple(2.0 ** (step / 4) for step in range(-4, 9))
#: Shape of the gamma prior of the level: mean 1, standard deviation 1/2, as of sellers' looked-up reviews.
_LEVEL_FLIPS: Final = 4.0


class SellerFlips(NamedTuple):
    """One seller's flips of reviews that the staff member looked up.

    Attributes:
        flips: 1 at least.
        expected: Flips expected at level 1 of the staff member; more than 0.
    """

    flips: int
    expected: float


class LevelEvidence(NamedTuple):
    """Log factors of sellers, each at the levels that all other flips leave likely, and what joins them.

    Attributes:
        log_factors: In the order of the sellers.
        log_level: Add this to the sum of `log_term` of the factors: the level that explains one seller's flips is not
            at the same time the one that explains another's. The sum without one seller's term is then exactly the
            joint log factor of all others.
    """

    log_factors: list[float]
    log_level: float


def over_levels(
    sellers: Sequence[SellerFlips], share: float, other_flips: float, other_expected: float, is_accused: bool
) -> LevelEvidence:
    """Return the evidence on a staff member's sellers.

    Args:
        sellers: Those with flips.
        share: The expected share of clients, see `rings.prior_share`.
        other_flips, other_expected: Flips and expected flips of the reviews of all other sellers.
        is_accused: Whether the staff member is accused of too many flips at all sellers. Then the level is 1: what is
            the accusation is no excuse.
    """
    levels = (1.0,) if is_accused else _LEVELS
    factors = [[log_client_factor(one.flips, level * one.expected) for one in sellers] for level in levels]
    honest = [
        _log_prior(level)
        + other_flips * math.log(level)
        - level * other_expected
        + total(log_of_honest(one.flips, level * one.expected) for one in sellers)
        for level in levels
    ]
    terms = [[log_term(factor, share) for factor in each] for each in factors]
    joint = [log_honest + total(each) for log_honest, each in zip(honest, terms, strict=True)]
    log_factors = [
        _log_mean(
            [each[place] for each in factors], [sum_of - each[place] for sum_of, each in zip(joint, terms, strict=True)]
        )
        for place in range(len(sellers))
    ]
    log_joint = log_of_sum(vec[float](joint)) - log_of_sum(vec[float](honest))
    return LevelEvidence(log_factors, log_joint - total(log_term(each, share) for each in log_factors))


def _log_prior(level: float) -> float:
    """Return the log prior of a level, but for a constant; the levels are about equal steps of its log."""
    return _LEVEL_FLIPS * (math.log(level) - level)


def _log_mean(values: Sequence[float], log_weights: Sequence[float]) -> float:
    """Return the log of the mean of exp(value) with weights."""
    weighted = vec[float]([value + weight for value, weight in zip(values, log_weights, strict=True)])
    return log_of_sum(weighted) - log_of_sum(vec[float](list(log_weights)))
