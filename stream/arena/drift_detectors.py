"""Drift detectors of river, one a seller, over the outcomes of its critical reviews: 1 a flip, 0 stood for a month.

Invariant: river's detectors give no score, only drift or no drift. The score of a drift is the size of the rise: the
two-proportion z of the latest outcomes against those before. So the detectors have laxer settings than river's
defaults, and the score is what the threshold acts on. A seller without an upward drift has 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from river.drift import ADWIN, PageHinkley
from river.drift.binary import HDDMA, HDDMW

from stream.arena.bookkeeping import ReviewOutcome
from stream.arena.counting import BaselineDetector

#: The number of latest outcomes, and the fewest before them.
_LATEST: Final = 20


class DriftDetector(BaselineDetector):
    """A river detector for each seller."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make
        self._detectors: dict[str, Any] = {}
        #: Outcomes of each seller since its last drift.
        self._outcomes: dict[str, list[bool]] = {}
        self._best: dict[str, float] = {}

    def learn_outcome(self, outcome: ReviewOutcome) -> None:
        """Update the seller's detector."""
        seller_id = outcome.counts.seller_id
        detector = self._detectors.get(seller_id)
        if detector is None:
            detector = self._detectors[seller_id] = self._make()
        outcomes = self._outcomes.setdefault(seller_id, [])
        outcomes.append(outcome.flipped)
        detector.update(int(outcome.flipped))
        if detector.drift_detected:
            self._best[seller_id] = max(self._best.get(seller_id, 0.0), rise(outcomes))
            self._outcomes[seller_id] = outcomes[-_LATEST:]

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return the strongest upward drift so far."""
        return self._best.get(flip.counts.seller_id, 0.0)


def rise(outcomes: list[bool]) -> float:
    """Return z of the latest outcomes against those before, with a pooled share; 0 if too few came before."""
    before, latest = outcomes[:-_LATEST], outcomes[-_LATEST:]
    if len(before) < _LATEST:
        return 0.0
    pooled = (sum(outcomes) + 1) / (len(outcomes) + 2)  # Laplace: no share is 0 or 1
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / len(before) + 1 / len(latest)))
    return (sum(latest) / len(latest) - sum(before) / len(before)) / deviation


def adwin() -> DriftDetector:
    """ADWIN (Bifet and Gavalda 2007), checked after each outcome because a seller has few."""
    return DriftDetector(lambda: ADWIN(delta=0.2, clock=1))


def page_hinkley() -> DriftDetector:
    """Page 1954, upward; river's threshold of 50 is for long streams, and a seller has few outcomes."""
    return DriftDetector(lambda: PageHinkley(min_instances=_LATEST, delta=0.05, threshold=2.0, mode="up"))


def hddm_a() -> DriftDetector:
    """HDDM-A (Frias-Blanco and others 2015), Hoeffding's bound on averages; one-sided, upward."""
    return DriftDetector(lambda: HDDMA(drift_confidence=0.05, warning_confidence=0.1))


def hddm_w() -> DriftDetector:
    """HDDM-W (Frias-Blanco and others 2015), weighted averages (McDiarmid's bound); one-sided, upward."""
    return DriftDetector(lambda: HDDMW(drift_confidence=0.05, warning_confidence=0.1))
