"""Whether the flips of an alert look bought: their marks of payment against those of peers.

Invariant: the log odds of the parts add up to the log of the odds, and each part follows from its own numbers
(docs/evidence.md).

Each mark compares how many of the flips bear it with the share among peers' flips. Honest subjects differ: their shares
follow a beta distribution around the peers' share, so the count is beta-binomial. A payer's flips bear the mark 2, 4 or
8 times as often (in odds), or, with a chance of one half, as often as honest ones: not every payer leaves every mark.
So a mark that is missing counts ln 1/2 at least.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from stream.core.evidence.parts import Part
from stream.core.model.flips import Flip
from stream.core.model.marks import INITIAL_SHARES, MARKS, add_marks, no_marks
from stream.core.model.sums import total

#: By how much the odds of a mark are higher if flips were paid for; the likelihood is the mean over these.
_ODDS_RATIOS: Final = (2.0, 4.0, 8.0)
#: How much honest subjects' shares of a mark differ: as if each were known from so many flips. Among nine real apps the
#: share of flips within a week, and within three days, of a contact has a concentration of 8. Real events that could
#: show it for the other marks are not known.
_CONCENTRATION: Final = 8.0
#: What is known of a market before its first flip counts as so many flips.
_INITIAL_FLIPS: Final = 4.0
#: Odds from which flips are said to bear marks of payment: "strong" evidence (Jeffreys 1961).
PAYMENT_ODDS: Final = 10.0


def payment_parts(flips: Sequence[Flip], peers: Sequence[float], products: Mapping[str, int]) -> list[Part]:
    """Return what each mark adds to the log odds that the flips were paid for.

    Args:
        flips: The flips of an alert.
        peers: The sums of marks of the market, see `add_marks`.
        products: The subject's open critical reviews by product; empty if its flips belong to several sellers.
    """
    sums = no_marks()
    for flip in flips:
        add_marks(sums, flip, 1.0)
    parts = list[Part]()
    for number, (name, initial_share) in enumerate(zip(MARKS, INITIAL_SHARES, strict=True)):
        could, borne = sums[2 * number], sums[2 * number + 1]
        if not could:
            continue
        known = peers[2 * number] + _INITIAL_FLIPS
        share = (peers[2 * number + 1] + _INITIAL_FLIPS * initial_share) / known
        concentration = 1 / (1 / _CONCENTRATION + 1 / known)
        log_odds = _unless_not_left(_log_mark_factor(could, borne, share, concentration))
        numbers = {"flips": could, "marked": borne, "peers_share": share, "concentration": concentration}
        parts.append(Part(name, log_odds, numbers))
    return [*parts, *_spread([flip.product_id for flip in flips], products)]


def _log_mark_factor(flips: float, borne: float, share: float, concentration: float) -> float:
    """Return the log likelihood ratio of "paid for" against "honest" for `borne` of `flips`."""
    honest = _log_beta_binomial(flips, borne, share, concentration)
    factors = []
    for ratio in _ODDS_RATIOS:
        raised = ratio * share / (1 + (ratio - 1) * share)
        factors.append(math.exp(_log_beta_binomial(flips, borne, raised, concentration) - honest))
    return math.log(total(factors) / len(factors))


def _log_beta_binomial(count: float, hits: float, share: float, concentration: float) -> float:
    """Return the log probability of one sequence with `hits` of `count`, if shares follow a beta distribution."""
    hit, miss = concentration * share, concentration * (1 - share)
    log_probability: float = (
        math.lgamma(hit + hits)
        + math.lgamma(miss + count - hits)
        - math.lgamma(concentration + count)
        + math.lgamma(concentration)
        - math.lgamma(hit)
        - math.lgamma(miss)
    )
    return log_probability


def _unless_not_left(log_factor: float) -> float:
    """Return the log odds of a mark that a payer leaves with a chance of one half."""
    return math.log(0.5 + 0.5 * math.exp(log_factor))


def _spread(flipped: Sequence[str], products: Mapping[str, int]) -> Iterable[Part]:
    """Return a part about products: a repaired product concentrates its flips, a payer takes any critical review.

    Args:
        flipped: The product of each flip, in order of time.
        products: The open critical reviews by product.
    """
    reviews = dict(products)
    for product_id in flipped:
        reviews[product_id] = reviews.get(product_id, 0) + 1
    count, pairs = total(reviews.values()), len(flipped) - 1
    if not products or len(reviews) < 2 or pairs < 1:
        return
    expected = total(number * (number - 1) for number in reviews.values()) / (count * (count - 1))
    same = len([number for number in range(pairs) if flipped[number] == flipped[number + 1]])
    # Honest: one half as even as a payer's, one half more pairs on one product.
    tilted = [math.exp(same * math.log(ratio) - pairs * math.log(1 + (ratio - 1) * expected)) for ratio in _ODDS_RATIOS]
    log_odds = _unless_not_left(-math.log(0.5 + 0.5 * total(tilted) / len(tilted)))
    yield Part("spread", log_odds, {"pairs": float(pairs), "same_product": float(same), "expected_share": expected})
