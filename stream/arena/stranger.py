"""The stranger: an oracle who meets the sellers for the first time, and so shows what not knowing their levels costs.

Rule of this room: it knows the hazards and what befell whom, as the oracle does, but not how readily each seller's
customers turn; that it must learn from their flips, as the product must. From there on its evidence is the product's:
what lies between the two is what the product loses by learning the hazards, too.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from librt.vecs import vec

from stream.arena.oracle import Course, Knower, Piece, Turn, expected_by, know
from stream.core.bands import AGE_EDGES, ARM_OF, ARMS, locate
from stream.core.evidence import Known
from stream.core.past import appended, log_prior
from stream.core.watches import SCALES, SELLER_PRIOR
from stream.market.life import Review
from stream.market.output import Market

#: Whoever knows the hazards knows how much oftener what is looked up flips.
_LIFT: Final = 1.0


def stranger(market: Market) -> Knower:
    """Who knows all but the cheats and the sellers' levels."""
    return Knower(know(market, _arm, AGE_EDGES, levels=False), _scored)


def _arm(review: Review, at: float) -> int:
    """The product's arm of a review; its stars make no difference to that."""
    contacted = max((each.at for each in review.contacts if each.at <= at), default=None)
    looked_up = max((each.at for each in review.look_ups if each.at <= at), default=None)
    return ARM_OF[locate(1, review.born, contacted, looked_up, at)[0]]


def _scored(turns: list[Turn], pieces: list[Piece], retracts: float) -> Course:
    """The highest ln R of all watches."""
    times = [turn.at for turn in turns]
    began = min(piece.begin for piece in pieces)
    expected = expected_by(np.array(times), pieces, ARMS).tolist()
    flips, gone, history, found = [0.0] * ARMS, [0.0] * ARMS, vec[float](), list[float]()
    for (before, now), turn, one in zip(pairwise((began, *times)), turns, expected, strict=True):
        history = appended(history, [now, log_prior(now - before), turn.born, *flips, *one, *one, *gone])
        flips[turn.group] += 1
        gone[turn.group] += turn.retracted
        weights = SCALES.weigh(history, [*flips, *one, *one, *gone], Known(*SELLER_PRIOR, retracts, _LIFT))
        found.append(max(weights.log_odds))
    return times, found
