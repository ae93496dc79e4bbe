"""Evidence over groups: how much better "some of these sellers are clients of one broker" explains their flips.

Invariant: numbers in, numbers out. Each member of a group has a Bayes factor of its own flips against its own
expectation. A broker's connector ties clients and other sellers, so a member's factor counts with the share of clients:
the joint factor is the product of 1 - pi + pi B over the members. It is a product of factors whose mean is at most one
for honest sellers, whatever their number, so Markov's inequality bounds false alarms (e-values: Vovk and Wang 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from librt.vecs import vec

from stream.core.evidence.bayes import THETAS, log_add, log_of_sum
from stream.core.evidence.insider_clients import LOG_CLIENT_ODDS
from stream.core.model.sums import total

#: The share of clients among the sellers that a broker's connector ties, if these are few. Buyers are one seller in a
#: hundred, and ten times as frequent there: the factor by which an accused staff member moves the odds of the sellers
#: served.
CLIENT_SHARE: Final = 0.01 * math.exp(LOG_CLIENT_ODDS)
#: The most clients that a broker is expected to have, however many sellers its connector ties: an insider with a desk's
#: work serves hundreds.
_CLIENTS: Final = 10.0
#: The log odds that a group must still have without its strongest member: a ring is more than one cheat and its
#: neighbours. Shops of one owner have causes in common, so of several shops that changed at once, one may look like a
#: cheat and the others a little. On simulated markets 3 of 47 such families had a joint factor above 300, and less than
#: 3 without their strongest shop.
MIN_LOG_ODDS_WITHOUT: Final = math.log(3)
#: The least members of a ring.
MIN_MEMBERS: Final = 2
#: Pseudo-count of the level of one seller's looked-up reviews: mean 1, standard deviation 1/2, as in the watch on them.
_LEVEL_FLIPS: Final = 4.0
#: Rounds until the share of clients no longer changes visibly.
_ROUNDS: Final = 30
#: Beyond this, an exponential is nought for all purposes.
_MAX_EXPONENT: Final = 500.0
#: What is expected at level 1 is never taken for less than this, so that a rare coincidence is no proof.
MIN_EXPECTED: Final = 0.05


class RingEvidence(NamedTuple):
    """The evidence that some of a group's sellers are clients of one broker.

    Attributes:
        log_odds: Natural log of the joint factor of all sellers.
        log_odds_without: The same without the strongest seller.
    """

    log_odds: float
    log_odds_without: float

    def stands_without_strongest(self) -> bool:
        """Return whether the group is more than one cheat and its neighbours."""
        return self.log_odds_without >= MIN_LOG_ODDS_WITHOUT


def joint(log_factors: Sequence[float], log_level: float = 0.0) -> RingEvidence:
    """Return the joint evidence of a group.

    Args:
        log_factors: The natural log of each seller's Bayes factor; much below 0 for one without flips.
        log_level: What joins the factors of sellers whose reviews one staff member looked up, see `staff_level`.
    """
    share = prior_share(len(log_factors))
    terms = [log_term(log_factor, share) for log_factor in log_factors]
    log_odds = total(terms) + log_level
    return RingEvidence(log_odds, log_odds - max(terms, default=0.0))


def prior_share(tied: int) -> float:
    """Return pi, the expected share of clients among so many sellers that a broker's connector ties."""
    return _CLIENTS / (_CLIENTS / CLIENT_SHARE + tied)


def log_term(log_factor: float, share: float) -> float:
    """Return what a seller with this log factor adds, given the share of clients pi: log(1 - pi + pi B)."""
    return log_add(log_factor + math.log(share), math.log1p(-share))


def client_share(log_factors: Sequence[float]) -> float:
    """Return the share of clients among the sellers of a group that has some, learned from their own evidence.

    The maximum of the likelihood by expectation and maximization (Dempster, Laird and Rubin 1977), with one client
    among ten sellers added.
    """
    share = CLIENT_SHARE
    for _ in range(_ROUNDS):
        clients = total(_client_probability(log_factor, share) for log_factor in log_factors)
        share = (1.0 + clients) / (1.0 / CLIENT_SHARE + len(log_factors))
    return share


def _client_probability(log_factor: float, share: float) -> float:
    log_odds = log_client_odds(log_factor, share)
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -_MAX_EXPONENT else 0.0


def log_client_odds(log_factor: float, share: float) -> float:
    """Return the log odds that a seller is a client, given the share of clients in its group."""
    return log_factor + math.log(share) - math.log1p(-share)


def log_client_factor(flips: int, expected: float) -> float:
    """Return the log Bayes factor of one seller's flips among the reviews that one staff member looked up.

    A seller is looked at because it has a flip, so the factor is conditional on that: both models are those of counts
    of one and more (zero-truncated, gamma-Poisson), and a single flip says nearly nothing.

    Args:
        flips: Flips, 1 at least.
        expected: Expected flips, more than 0.
    """
    shape = rate = _LEVEL_FLIPS
    log_some = _log_some_flips(expected, shape, rate)
    terms = [
        flips * math.log(theta)
        - (shape + flips) * math.log((rate + theta * expected) / (rate + expected))
        - _log_some_flips(theta * expected, shape, rate)
        + log_some
        for theta in THETAS
    ]
    return log_of_sum(vec[float](terms)) - math.log(len(THETAS))


def log_of_honest(flips: int, expected: float) -> float:
    """Return the log probability of one honest seller's flips, but for what does not depend on `expected`.

    Args:
        flips, expected: See `log_client_factor`; here 0 flips are a count like others.
    """
    return flips * math.log(expected) - (_LEVEL_FLIPS + flips) * math.log(_LEVEL_FLIPS + expected)


def _log_some_flips(expected: float, shape: float, rate: float) -> float:
    """Return the log of the probability of one flip or more."""
    return math.log(-math.expm1(-shape * math.log1p(expected / rate)))
