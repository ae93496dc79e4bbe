"""The oracle: a competitor who knows how readily every honest reviewer would turn, and so shows what there is to find.

Rule of this room: it knows the market's hazards, the sellers' tempers and what befell them, and which reviews were
withdrawn from a bomb; it does not know who cheats. Its evidence is the product's, without what the product must guess:
flips are expected exactly as the hazards say, so no level, no norm and no excuse is needed. Nor is it bound to the last
60 flips, and it asks about more groups of reviews.
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
from numpy.typing import NDArray

from stream.arena.competitor import NOTHING
from stream.core.bands import DAY, REACH_SECONDS
from stream.core.bayes import DELTAS, THETAS
from stream.core.past import log_prior
from stream.events import Event
from stream.market import story
from stream.market.life import Life, Review
from stream.market.output import Market
from stream.market.scenarios import find
from stream.market.simulate import Lived, lives

Floats = NDArray[np.float64]

#: Groups of reviews: younger than a day, a month, a quarter, older; contacted; looked up.
_AGES: Final = (DAY, 30 * DAY, 90 * DAY)
_CONTACTED: Final = len(_AGES) + 1
_LOOKED_UP: Final = _CONTACTED + 1
_GROUPS: Final = _LOOKED_UP + 1
#: Who could have been paid for: anybody, all but the newest, those in reach, the contacted, the looked up, the old.
_QUESTIONS: Final = ([0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 4, 5], [4], [5], [2, 3])


class Turn(NamedTuple):
    """A review that flipped: when, of which group, whether it was retracted, and when it was born."""

    at: float
    group: int
    retracted: bool
    born: float


class Piece(NamedTuple):
    """A time in which a review's hazard, and its group, stayed the same."""

    begin: float
    end: float
    per_second: float
    group: int


#: The times of a seller's flips, and ln R after each of them.
Course = tuple[list[float], list[float]]


class Known(NamedTuple):
    """What is known of a market's sellers, by their ids; `retracts` is the honest share of retractions."""

    turns: dict[str, list[Turn]]
    pieces: dict[str, list[Piece]]
    retracts: float


class Knower:
    """A competitor of the arena; ValueError for a market with a real background, whose hazards nobody knows.

    scored: what it makes of a seller's flips, the pieces of its hazards, and the share of retractions.
    """

    def __init__(self, known: Known, scored: Callable[[list[Turn], list[Piece], float], Course]) -> None:
        self._scores = {
            name: scored(sorted(of), known.pieces[name], known.retracts) for name, of in known.turns.items() if of
        }
        self._flips = dict.fromkeys(self._scores, 0)

    def learn_one(self, x: Event) -> None:
        """Time goes on for the seller; a millisecond is what an event's time is known to."""
        if x.seller_id in self._scores:
            self._flips[x.seller_id] = bisect_right(self._scores[x.seller_id][0], x.occurred_at.timestamp() + 0.001)

    def score_one(self, x: Event) -> float:
        """ln R of the seller now; a seller without a flip has none."""
        count = self._flips.get(x.seller_id, 0)
        return self._scores[x.seller_id][1][count - 1] if count else NOTHING


def oracle(market: Market) -> Knower:
    """Who knows all but the cheats."""
    return Knower(know(market, _group, _AGES, levels=True), _scored)


def know(market: Market, group: Callable[[Review, float], int], ages: tuple[float, ...], levels: bool) -> Known:
    """Flips and hazards of a market, by groups of reviews that change at these ages; with sellers' levels, or at 1."""
    known = Known(defaultdict(list), defaultdict(list), 0.0)
    for lived in lives(find(market.run.scenario), market.run):
        known = known._replace(retracts=lived.here.world.honest.retracts)
        life = lived.life if levels else replace(lived.life, seller=replace(lived.life.seller, frailty=1.0))
        for review in lived.life.reviews:
            if review.critical and all(turn.paid for turn in review.turns):  # else never critical, or one of a bomb
                owner = review.seller_id or lived.life.seller.seller_id
                _know(lived, life, review, group, ages, known.turns[owner], known.pieces[owner])
    return known


def _know(
    lived: Lived,
    believed: Life,
    review: Review,
    group: Callable[[Review, float], int],
    ages: tuple[float, ...],
    turns: list[Turn],
    pieces: list[Piece],
) -> None:
    """Add a review's flip, if any, and the pieces of its hazard while it was at risk."""
    hazards, end = lived.here.world.hazards, min(lived.here.until, review.removed_at)
    flip = story.turned(hazards, lived.life, review, end)
    if flip:
        turns.append(Turn(flip.at, group(review, flip.at), flip.rating is None, review.born))
    edges = [review.born + age for age in ages]
    for at in (*(each.at for each in review.contacts), *(each.at for each in review.look_ups)):
        edges += (at, at + REACH_SECONDS)
    for begin, stop, per_second in story.hazard(hazards, believed, review, flip.at if flip else end):
        for since, until in _cut(begin, stop, edges):
            pieces.append(Piece(since, until, per_second, group(review, (since + until) / 2)))


def _cut(begin: float, end: float, edges: list[float]) -> Iterator[tuple[float, float]]:
    return pairwise((begin, *sorted(edge for edge in edges if begin < edge < end), end))


def _group(review: Review, at: float) -> int:
    if any(each.at <= at < each.at + REACH_SECONDS for each in review.look_ups):
        return _LOOKED_UP
    if any(each.at <= at < each.at + REACH_SECONDS for each in review.contacts):
        return _CONTACTED
    return bisect_right(_AGES, at - review.born)


def _scored(turns: list[Turn], pieces: list[Piece], retracts: float) -> Course:
    """The highest ln R of all questions."""
    times = np.array([turn.at for turn in turns])
    flips, gone = np.zeros((len(turns), _GROUPS)), np.zeros((len(turns), _GROUPS))
    for number, turn in enumerate(turns):
        flips[number:, turn.group] += 1
        gone[number:, turn.group] += turn.retracted
    expected = expected_by(times, pieces, _GROUPS)
    starts = np.array([log_prior(gap) for gap in np.diff(times, prepend=min(piece.begin for piece in pieces))])
    odds = [
        _log_odds(flips[:, asked].sum(1), expected[:, asked].sum(1), gone[:, asked].sum(1), starts, retracts)
        for asked in _QUESTIONS
    ]
    return times.tolist(), np.max(odds, axis=0).tolist()


def expected_by(times: Floats, pieces: list[Piece], groups: int) -> Floats:
    """Flips that the hazards had expected by the time of each flip, by group: (flips, groups)."""
    out = np.zeros((len(times), groups))
    table = np.array(pieces)
    for group in range(groups):
        begin, end, rate, _ = table[table[:, 3] == group].T
        for number, at in enumerate(times):
            out[number, group] = (rate * np.maximum(np.minimum(end, at) - begin, 0)).sum()
    return out


def _log_odds(flips: Floats, expected: Floats, gone: Floats, starts: Floats, retracts: float) -> Floats:
    """ln R after each flip: Shiryaev-Roberts over the windows that begin at it or at any flip before it.

    A window holds the flip at which it begins, and nothing of what was expected until then.
    """
    n = flips[:, None] - flips + np.diff(flips, prepend=0.0)
    r = gone[:, None] - gone + np.diff(gone, prepend=0.0)
    a = expected[:, None] - expected
    factors = np.logaddexp.reduce([math.log(theta) * n - (theta - 1) * a for theta in THETAS])
    marks = np.logaddexp.reduce([math.log(delta) * r - math.log1p((delta - 1) * retracts) * n for delta in DELTAS])
    terms = factors + marks + starts - math.log(len(THETAS) * len(DELTAS))
    terms[np.triu_indices(len(flips), 1)] = -np.inf
    out: Floats = np.logaddexp.reduce(terms, axis=1)
    return out
