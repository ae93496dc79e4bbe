"""Drift detectors of river, one for each seller, on what becomes of its critical reviews: 1 a flip, 0 stood a month.

Rule of this room: river's detectors say yes or no; to sweep a threshold, a yes is scored by how strong the rise is, as
the two-proportion z of the latest outcomes against those before. So all are set laxer than river's defaults: the score
decides. Who was never told to drift upwards has 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from river.drift import ADWIN, PageHinkley
from river.drift.binary import HDDMA, HDDMW

from stream.arena.counting import Baseline
from stream.arena.follow import Outcome

#: Outcomes that stand for what is now, and the fewest before them.
_LATEST: Final = 20


class Drift(Baseline):
    """A river detector for each seller."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make
        self._detectors: dict[str, Any] = {}
        #: Outcomes of each seller since its last drift.
        self._tapes: dict[str, list[bool]] = {}
        self._best: dict[str, float] = {}

    def see(self, outcome: Outcome) -> None:
        """Feed the seller's detector."""
        name = outcome.account.seller_id
        detector = self._detectors.get(name)
        if detector is None:
            detector = self._detectors[name] = self._make()
        tape = self._tapes.setdefault(name, [])
        tape.append(outcome.flipped)
        detector.update(int(outcome.flipped))
        if detector.drift_detected:
            self._best[name] = max(self._best.get(name, 0.0), rise(tape))
            self._tapes[name] = tape[-_LATEST:]

    def judge(self, flip: Outcome) -> float:
        """The strongest upward drift so far."""
        return self._best.get(flip.account.seller_id, 0.0)


def rise(tape: list[bool]) -> float:
    """z of the latest outcomes against those before, the shares being pooled; 0 where too few came before."""
    before, latest = tape[:-_LATEST], tape[-_LATEST:]
    if len(before) < _LATEST:
        return 0.0
    pooled = (sum(tape) + 1) / (len(tape) + 2)  # Laplace: no share is 0 or 1
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / len(before) + 1 / len(latest)))
    return (sum(latest) / len(latest) - sum(before) / len(before)) / deviation


def adwin() -> Drift:
    """Bifet and Gavalda 2007, looking after each outcome, for a seller has few."""
    return Drift(lambda: ADWIN(delta=0.2, clock=1))


def page_hinkley() -> Drift:
    """Page 1954, upwards; river's threshold of 50 is for long streams, and a seller's sum of outcomes is short."""
    return Drift(lambda: PageHinkley(min_instances=_LATEST, delta=0.05, threshold=2.0, mode="up"))


def hddm_a() -> Drift:
    """Frias-Blanco and others 2015, Hoeffding's bound on averages; one-sided: upwards."""
    return Drift(lambda: HDDMA(drift_confidence=0.05, warning_confidence=0.1))


def hddm_w() -> Drift:
    """Frias-Blanco and others 2015, weighted averages (McDiarmid's bound); one-sided: upwards."""
    return Drift(lambda: HDDMW(drift_confidence=0.05, warning_confidence=0.1))
