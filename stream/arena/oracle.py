"""The oracle: a competitor that knows the hazard of every honest flip, and so an upper bound on detection.

Invariant: it knows the market's hazards, the sellers' frailties and confounders, and the withdrawn reviews of review
bombs; it does not know the cheats. Its evidence is the product's with exact expected flips, so it needs no level, no
baseline and no alternative explanations. It keeps more than the last 60 flips, and has contrasts over more groups.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream.arena.competitor import NO_EVIDENCE
from stream.contract.events import SellerEvent
from stream.core.evidence.bayes import DELTAS, THETAS
from stream.core.model.flip_windows import log_start_prior
from stream.core.model.strata import CONTACT_SECONDS, DAY
from stream.market.output import Market
from stream.market.plans import SellerPlan, SimulatedReview
from stream.market.review_events import first_flip, honest_hazard
from stream.market.scenarios import find
from stream.market.simulate import SellerRun, seller_runs

Floats = NDArray[np.float64]

#: Groups of reviews: younger than a day, a month, a quarter, older; contacted; looked up.
_AGES: Final = (DAY, 30 * DAY, 90 * DAY)
_CONTACTED: Final = len(_AGES) + 1
_LOOKED_UP: Final = _CONTACTED + 1
_GROUPS: Final = _LOOKED_UP + 1
#: The groups that each contrast takes as exposed: all; all but the newest; younger than a month but not the newest,
#: contacted and looked up; contacted; looked up; old.
_CONTRASTS: Final = ([0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 4, 5], [4], [5], [2, 3])


class SimulatedFlip(NamedTuple):
    """The flip of a review; times are epoch seconds."""

    at: float
    group: int
    retracted: bool
    review_created_at: float


class HazardPiece(NamedTuple):
    """A span of time in which a review's hazard (flips a second) and its group are constant."""

    begin: float
    end: float
    per_second: float
    group: int


#: The times of a seller's flips, and ln R after each of them.
ScoreSeries = tuple[list[float], list[float]]


class TrueHazards(NamedTuple):
    """The flips and hazards of a market's sellers, by seller id; `retracts` is the honest share of retractions."""

    flips: dict[str, list[SimulatedFlip]]
    pieces: dict[str, list[HazardPiece]]
    retracts: float


class Oracle:
    """A competitor that scores sellers by their true hazards.

    Args:
        hazards: The flips and hazards of the market.
        evaluate: Returns the scores of a seller from its flips, its hazard pieces, and the honest share of retractions.
    """

    def __init__(
        self,
        hazards: TrueHazards,
        evaluate: Callable[[list[SimulatedFlip], list[HazardPiece], float], ScoreSeries],
    ) -> None:
        self._scores = {
            seller_id: evaluate(sorted(flips), hazards.pieces[seller_id], hazards.retracts)
            for seller_id, flips in hazards.flips.items()
            if flips
        }
        self._flips = dict.fromkeys(self._scores, 0)

    def learn_one(self, x: SellerEvent) -> None:
        """Advance the seller's time to the event; an event's time has a resolution of a millisecond."""
        if x.seller_id in self._scores:
            self._flips[x.seller_id] = bisect_right(self._scores[x.seller_id][0], x.occurred_at.timestamp() + 0.001)

    def score_one(self, x: SellerEvent) -> float:
        """Return the seller's ln R now, or NO_EVIDENCE before its first flip."""
        count = self._flips.get(x.seller_id, 0)
        return self._scores[x.seller_id][1][count - 1] if count else NO_EVIDENCE


def oracle(market: Market) -> Oracle:
    """Make the competitor that knows everything except the cheats; ValueError for a market with a real background."""
    return Oracle(true_hazards(market, _group_at, _AGES, levels=True), _evaluate)


def true_hazards(
    market: Market, group: Callable[[SimulatedReview, float], int], ages: tuple[float, ...], levels: bool
) -> TrueHazards:
    """Return the flips and hazards of a market; raise ValueError for a real background, whose hazards are unknown.

    Args:
        group: The group of a review at a time.
        ages: The ages of a review (seconds) at which its group may change.
        levels: Whether the hazards include the sellers' frailties; if not, these count as 1.
    """
    hazards = TrueHazards(defaultdict(list), defaultdict(list), 0.0)
    for seller_run in seller_runs(find(market.run.scenario), market.run):
        hazards = hazards._replace(retracts=seller_run.context.world.honest.retracts)
        plan = seller_run.plan
        known = plan if levels else replace(plan, seller=replace(plan.seller, frailty=1.0))
        for review in plan.reviews:
            # Skip reviews that are never critical, and reviews withdrawn from a review bomb.
            if review.critical and all(flip.paid for flip in review.flips):
                owner = review.seller_id or plan.seller.seller_id
                _add_review(seller_run, known, review, group, ages, hazards.flips[owner], hazards.pieces[owner])
    return hazards


def _add_review(
    seller_run: SellerRun,
    known: SellerPlan,
    review: SimulatedReview,
    group: Callable[[SimulatedReview, float], int],
    ages: tuple[float, ...],
    flips: list[SimulatedFlip],
    pieces: list[HazardPiece],
) -> None:
    """Add a review's flip, if any, and the pieces of its hazard while it was at risk."""
    context = seller_run.context
    hazards, end = context.world.hazards, min(context.until, review.removed_at)
    flip = first_flip(hazards, seller_run.plan, review, end)
    if flip:
        flips.append(SimulatedFlip(flip.at, group(review, flip.at), flip.rating is None, review.created_at))
    edges = [review.created_at + age for age in ages]
    for at in (*(each.at for each in review.contacts), *(each.at for each in review.look_ups)):
        edges += (at, at + CONTACT_SECONDS)
    for begin, stop, per_second in honest_hazard(hazards, known, review, flip.at if flip else end):
        for since, until in _split(begin, stop, edges):
            pieces.append(HazardPiece(since, until, per_second, group(review, (since + until) / 2)))


def _split(begin: float, end: float, edges: list[float]) -> Iterator[tuple[float, float]]:
    return pairwise((begin, *sorted(edge for edge in edges if begin < edge < end), end))


def _group_at(review: SimulatedReview, at: float) -> int:
    if any(each.at <= at < each.at + CONTACT_SECONDS for each in review.look_ups):
        return _LOOKED_UP
    if any(each.at <= at < each.at + CONTACT_SECONDS for each in review.contacts):
        return _CONTACTED
    return bisect_right(_AGES, at - review.created_at)


def _evaluate(flips: list[SimulatedFlip], pieces: list[HazardPiece], retracts: float) -> ScoreSeries:
    """Return the highest ln R of all contrasts after each flip."""
    times = np.array([flip.at for flip in flips])
    counts, retractions = np.zeros((len(flips), _GROUPS)), np.zeros((len(flips), _GROUPS))
    for number, flip in enumerate(flips):
        counts[number:, flip.group] += 1
        retractions[number:, flip.group] += flip.retracted
    expected = expected_by(times, pieces, _GROUPS)
    starts = np.array([log_start_prior(gap) for gap in np.diff(times, prepend=min(piece.begin for piece in pieces))])
    odds = [
        _log_odds(
            counts[:, exposed].sum(1), expected[:, exposed].sum(1), retractions[:, exposed].sum(1), starts, retracts
        )
        for exposed in _CONTRASTS
    ]
    return times.tolist(), np.max(odds, axis=0).tolist()


def expected_by(times: Floats, pieces: list[HazardPiece], groups: int) -> Floats:
    """Return the expected flips up to the time of each flip, by group: shape (flips, groups)."""
    out = np.zeros((len(times), groups))
    table = np.array(pieces)
    for group in range(groups):
        begin, end, rate, _ = table[table[:, 3] == group].T
        for number, at in enumerate(times):
            out[number, group] = (rate * np.maximum(np.minimum(end, at) - begin, 0)).sum()
    return out


def _log_odds(flips: Floats, expected: Floats, retractions: Floats, starts: Floats, retracts: float) -> Floats:
    """Return ln R after each flip: Shiryaev-Roberts over the windows that begin at this flip or an earlier one.

    A window includes the flip at which it begins, and only expected flips after that.

    Args:
        flips: The running number of flips, here and below after each flip.
        expected: The running expected flips.
        retractions: The running number of retractions.
        starts: ln of the prior odds that cheating started before each flip, since the flip before.
        retracts: The honest share of retractions.
    """
    n = flips[:, None] - flips + np.diff(flips, prepend=0.0)
    r = retractions[:, None] - retractions + np.diff(retractions, prepend=0.0)
    a = expected[:, None] - expected
    rate_factors = _log_sum_exp([math.log(theta) * n - (theta - 1) * a for theta in THETAS])
    retraction_factors = _log_sum_exp(
        [math.log(delta) * r - math.log1p((delta - 1) * retracts) * n for delta in DELTAS]
    )
    terms = rate_factors + retraction_factors + starts - math.log(len(THETAS) * len(DELTAS))
    terms[np.triu_indices(len(flips), 1)] = -np.inf
    return _log_sum_exp(terms, axis=1)


def _log_sum_exp(terms: ArrayLike, axis: int = 0) -> Floats:
    """Return ln of the sum of exp(terms) along an axis."""
    # With `keepdims`, because the types of numpy 2.5, checked for Python 3.11, have no overload without it.
    summed: Floats = np.logaddexp.reduce(terms, axis=axis, keepdims=True)
    return summed.squeeze(axis)
