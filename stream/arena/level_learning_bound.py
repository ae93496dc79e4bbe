"""The level-learning bound (`stranger` in results): an oracle that must learn the sellers' levels.

It shows the cost of learning levels.

Invariant: it knows the hazards and confounders, as the oracle does, but not the sellers' frailties. It learns these
from flips, as the product does, and its evidence is the product's. The difference between this bound and the product
is what the product loses by learning the hazards, too.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from librt.vecs import vec

from stream.arena.oracle import HazardPiece, Oracle, ScoreSeries, SimulatedFlip, expected_by, true_hazards
from stream.core.evidence.watches import SELLER_MODEL, SELLER_PRIOR
from stream.core.evidence.window_factors import Prior
from stream.core.model.flip_windows import append_row, log_start_prior
from stream.core.model.strata import AGE_EDGES, GROUP_OF, N_GROUPS, cell_at
from stream.market.output import Market
from stream.market.plans import SimulatedReview

#: The true hazards already include the rate ratio of looked-up reviews.
_LOOKED_UP_RATIO: Final = 1.0


def level_learning_oracle(market: Market) -> Oracle:
    """Make the competitor that knows everything except the cheats and the sellers' levels."""
    return Oracle(true_hazards(market, _group_at, AGE_EDGES, levels=False), _evaluate)


def _group_at(review: SimulatedReview, at: float) -> int:
    """Return the product's exposure group of a review; its stars do not affect the group."""
    contacted = max((each.at for each in review.contacts if each.at <= at), default=None)
    looked_up = max((each.at for each in review.look_ups if each.at <= at), default=None)
    return GROUP_OF[cell_at(1, review.created_at, contacted, looked_up, at)[0]]


def _evaluate(flips: list[SimulatedFlip], pieces: list[HazardPiece], retracts: float) -> ScoreSeries:
    """Return the highest ln R of all watches after each flip."""
    times = [flip.at for flip in flips]
    begin = min(piece.begin for piece in pieces)
    all_expected = expected_by(np.array(times), pieces, N_GROUPS).tolist()
    counts, retractions = [0.0] * N_GROUPS, [0.0] * N_GROUPS
    history, scores = vec[float](), list[float]()
    for (before, now), flip, expected in zip(pairwise((begin, *times)), flips, all_expected, strict=True):
        # The expected flips stand for both comparisons: with peers, and with the long run.
        row = [now, log_start_prior(now - before), flip.review_created_at, *counts, *expected, *expected, *retractions]
        history = append_row(history, row)
        counts[flip.group] += 1
        retractions[flip.group] += flip.retracted
        totals = [*counts, *expected, *expected, *retractions]
        result = SELLER_MODEL.evaluate(history, totals, Prior(*SELLER_PRIOR, retracts, _LOOKED_UP_RATIO))
        scores.append(max(result.log_odds))
    return times, scores
