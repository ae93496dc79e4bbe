"""Ablations: each really takes something out of a copy of the core, and the core itself stays as it is."""

from __future__ import annotations

import sys
from functools import cache

import pytest

import stream
from stream.arena.ablations import ABLATIONS, without
from stream.arena.contest import in_order
from stream.arena.fresh_core import Patch, detector
from stream.arena.product import Product
from stream.core.detector import Detector
from stream.events import Event
from stream.market import simulate
from stream.market.cheats import Run
from stream.market.scenarios import Confounders, Scenario, find

#: A market in which each part has something to do; all others find it in one with all kinds of cheats.
GROUNDS = {
    "no clients": (find("access"), Run("access", 3, 60, 120)),
    "no crowds": (Scenario(Confounders(new=1.0, bomb=0.5)), Run("bombs on new sellers", 3, 60, 60)),
}
USUAL = (find("cheats"), Run("cheats", 3, 40, 60))


@cache
def events(ways: Scenario, run: Run) -> list[Event]:
    return in_order(simulate.make(ways, run))


@cache
def whole(ways: Scenario, run: Run) -> list[float]:
    product = Product()
    return [score_after(product, event) for event in events(ways, run)]


def score_after(product: Product, event: Event) -> float:
    product.learn_one(event)
    return product.score_one(event)


@pytest.mark.slow
@pytest.mark.parametrize("name", ABLATIONS)
def test_no_ablation_is_dead(name: str) -> None:
    product, ground = without(name), GROUNDS.get(name, USUAL)
    told = zip(events(*ground), whole(*ground), strict=True)
    assert any(abs(score_after(product, event) - score) > 0.01 for event, score in told)


def test_a_copy_in_which_nothing_is_replaced_says_the_same() -> None:
    product = Product(detector=detector(()))
    for event, score in zip(events(*USUAL), whole(*USUAL), strict=True):
        assert score_after(product, event) == score


def test_the_running_core_stays_as_it_is() -> None:
    before = {name: module for name, module in sys.modules.items() if name.startswith("stream.core")}
    copy = detector(ABLATIONS["no e"])
    assert copy is not Detector
    assert {name: module for name, module in sys.modules.items() if name.startswith("stream.core")} == before
    assert stream.core is before["stream.core"]


def test_a_definition_that_is_gone_is_named() -> None:
    with pytest.raises(LookupError, match=r"stream\.core\.norm has no Norm\.gone"):
        detector((Patch("norm", "Norm.gone", lambda old: old),))
    with pytest.raises(LookupError, match=r"stream\.core\.norm has no Gone\.roll"):
        detector((Patch("norm", "Gone.roll", lambda old: old),))
    assert sys.modules["stream.core.detector"].Detector is Detector
