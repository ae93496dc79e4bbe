"""The evidence of `hazards by stratum`: ln R that a seller's flips have become more than its level explains.

Invariant: a window counts at the least of its explanations: the peers' present pace, the long run, and a burst of ten
days that is innocent. Nothing here is shared with the product's core. All times are days.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from stream.arena.stratum_clocks import CONTACTED, LOOKED_UP, OLD, OTHER

#: How many times as many flips as before, and how many times as likely a deletion, if flips are paid for.
_THETAS: Final = (2, 3, 5, 10, 20)
_DELTAS: Final = (1, 2, 4)
#: The level of a seller without a past: gamma of this shape and rate. A flip of the past counts half.
_SHAPE, _RATE, _PAST = 1.0, 0.5, 0.5
#: Expected flips added to every window: the expectation is itself a count of few flips.
_ADDED: Final = 0.3
#: The latest flips at which windows begin.
_WINDOWS: Final = 60
_YEAR: Final = 365.0
#: The prior of a start at a seller's first flip is that of this gap; no gap is shorter than half an hour.
_FIRST_GAP, _LEAST_GAP = 30.0, 0.02
#: Days of a burst, and ln of its price: one burst a year is expected of every seller.
_BURST: Final = 10.0
_BURST_PRICE: Final = math.log(_YEAR / _BURST)
#: Upper ends of the age classes of reviews, in days; the last class has none.
YOUNGER: Final = (30.0, 60.0, 90.0)
#: The share of paid flips that are flips of reviews younger than this.
_PAID_YOUNG: Final = 0.9
#: A larger Bayes factor (ln) is cut, so that sums stay finite.
_MOST: Final = 500.0


class PastFlip(NamedTuple):
    """A flip of a seller, with what was expected of the seller up to it."""

    at: float
    group: int
    retracted: bool
    #: The share of deletions among all flips of reviews with as many stars.
    peers_retract: float
    age_class: int
    #: The shares of the seller's reviews at risk that are younger than each age of `YOUNGER`.
    younger: tuple[float, ...]
    #: Expected flips since the seller's first review, by exposure group.
    by_peers: tuple[float, ...]
    by_long_run: tuple[float, ...]


class GroupContrast(NamedTuple):
    """The exposure groups that accuse, their controls, and whether a burst may be innocent."""

    exposed: tuple[int, ...]
    controls: tuple[int, ...]
    bursts: bool


ALL_FLIPS: Final = GroupContrast((OTHER, CONTACTED, LOOKED_UP), (OLD,), bursts=True)
#: Contrasts that are evaluated at a flip of their exposed group.
BY_GROUP: Final = {
    CONTACTED: GroupContrast((CONTACTED,), (OTHER, OLD), bursts=False),
    LOOKED_UP: GroupContrast((LOOKED_UP,), (OTHER, OLD, CONTACTED), bursts=False),
}


def log_odds(flips: Sequence[PastFlip], contrast: GroupContrast) -> float:
    """Return ln R after the last of a seller's flips: Shiryaev-Roberts over the windows that begin at a flip.

    R is the sum over windows of gap / year times the Bayes factor of the window; minus infinity without a window of
    two exposed flips.
    """
    exposed_flips = control_flips = 0
    burst = _Burst(flips, contrast.exposed)
    retractions = [0.0] * len(_DELTAS)
    terms: list[float] = []
    for begin in range(len(flips) - 1, max(0, len(flips) - _WINDOWS) - 1, -1):
        flip = flips[begin]
        burst.extend(begin)
        control_flips += flip.group in contrast.controls
        if flip.group in contrast.exposed:
            exposed_flips += 1
            retractions = [
                total + math.log((delta if flip.retracted else 1) / (1 + (delta - 1) * flip.peers_retract))
                for total, delta in zip(retractions, _DELTAS, strict=True)
            ]
            if exposed_flips > 1:
                factor = _log_factor(flips, begin, contrast, exposed_flips, control_flips, burst)
                gap = flip.at - flips[begin - 1].at if begin else _FIRST_GAP
                start = math.log(max(gap, _LEAST_GAP) / _YEAR)
                terms.append(min(factor + log_mean(retractions) + start, _MOST))
    return log_mean(terms) + math.log(len(terms)) if terms else -math.inf


def _log_factor(
    flips: Sequence[PastFlip], begin: int, contrast: GroupContrast, exposed: int, controls: int, burst: _Burst
) -> float:
    """Return ln of the least Bayes factor of the window from flip `begin` on, with its exposed and control flips."""
    end = len(flips)
    by_peers, by_long_run = _expected(flips, begin, end, contrast.exposed)
    control_by_peers, control_by_long_run = _expected(flips, begin, end, contrast.controls)
    past_by_peers, past_by_long_run = (
        (sum(flips[begin - 1].by_peers), sum(flips[begin - 1].by_long_run)) if begin else (0.0, 0.0)
    )
    shape = _SHAPE + _PAST * begin + controls
    rate = _RATE + _PAST * past_by_peers + control_by_peers
    long_run_rate = _RATE + _PAST * past_by_long_run + control_by_long_run
    factors = [
        log_ratio(exposed, by_peers + _ADDED, shape, rate),
        log_ratio(exposed, by_long_run + _ADDED, shape, long_run_rate),
    ]
    if contrast.bursts and exposed > 2:
        left = max(by_peers - _expected(flips, burst.begin, burst.end, contrast.exposed)[0], 0.0)
        price = _BURST_PRICE + _log_age_ratio(flips[burst.begin : burst.end])
        factors.append(log_ratio(exposed - burst.flips, left + _ADDED, shape, rate) + price)
    return min(factors)


def log_ratio(flips: int, expected: float, shape: float, rate: float) -> float:
    """Return ln of the Bayes factor of "theta times the level" to "the level", the mean over all theta.

    Args:
        flips: The number of exposed flips in the window.
        expected: Their expected number at level 1.
        shape: Of the gamma distribution of the seller's level.
        rate: Of the same.
    """
    return log_mean(
        [
            flips * math.log(theta) + (shape + flips) * math.log((rate + expected) / (rate + theta * expected))
            for theta in _THETAS
        ]
    )


def log_mean(logs: Sequence[float]) -> float:
    """Return ln of the mean of exp(logs)."""
    most = max(logs)
    return most + math.log(sum(math.exp(each - most) for each in logs) / len(logs))


def _expected(flips: Sequence[PastFlip], begin: int, end: int, groups: tuple[int, ...]) -> tuple[float, float]:
    """Return the flips expected from after flip `begin - 1` to flip `end - 1`: by peers, by the long run."""
    last, totals = flips[end - 1], (0.0, 0.0)
    if begin:
        first = flips[begin - 1]
        totals = sum(first.by_peers[group] for group in groups), sum(first.by_long_run[group] for group in groups)
    return (
        sum(last.by_peers[group] for group in groups) - totals[0],
        sum(last.by_long_run[group] for group in groups) - totals[1],
    )


def _log_age_ratio(flips: Iterable[PastFlip]) -> float:
    """Return ln of how much better payments explain the ages of a burst's reviews than an innocent cause does."""
    totals = [0.0] * len(YOUNGER)
    for flip in flips:
        for place, share in enumerate(flip.younger):
            is_young = flip.age_class <= place
            ratio = (_PAID_YOUNG + (1 - _PAID_YOUNG) * share) / share if is_young else 1 - _PAID_YOUNG
            totals[place] += math.log(ratio)
    return log_mean(totals)


class _Burst:
    """The ten days with the most exposed flips in a window that grows towards the past: flips `begin` to `end - 1`."""

    def __init__(self, flips: Sequence[PastFlip], exposed: tuple[int, ...]) -> None:
        self.flips = 0
        self.begin = self.end = 0
        self._all, self._exposed = flips, exposed
        self._end, self._inside = len(flips), 0

    def extend(self, begin: int) -> None:
        """Let the window begin at the flip before."""
        since = self._all[begin].at
        self._inside += self._all[begin].group in self._exposed
        while self._all[self._end - 1].at > since + _BURST:
            self._end -= 1
            self._inside -= self._all[self._end].group in self._exposed
        if self._inside >= self.flips:  # of two equal ones the earlier
            self.flips, self.begin, self.end = self._inside, begin, self._end
