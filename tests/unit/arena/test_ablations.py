"""Ablations: each changes the scores of a patched copy of the core, and the running core does not change."""

from __future__ import annotations

import sys
from functools import cache

import pytest

import stream
from stream.arena.ablations import ABLATIONS, without
from stream.arena.contest import sorted_events
from stream.arena.patched_core import Patch, detector
from stream.arena.product import Product
from stream.contract.events import SellerEvent
from stream.core.detector import Detector
from stream.market import simulate
from stream.market.cheats import Run
from stream.market.scenarios import Confounders, Scenario, find

#: Markets in which these parts have an effect; all other parts have one in a market with all kinds of cheats.
MARKETS = {
    "no clients": (find("access"), Run("access", 3, 60, 120)),
    "no crowds": (Scenario(Confounders(new=1.0, bomb=0.5)), Run("bombs on new sellers", 3, 60, 60)),
}
DEFAULT = (find("cheats"), Run("cheats", 3, 40, 60))


@cache
def events(scenario: Scenario, run: Run) -> list[SellerEvent]:
    return sorted_events(simulate.make(scenario, run))


@cache
def product_scores(scenario: Scenario, run: Run) -> list[float]:
    product = Product()
    return [score_after(product, event) for event in events(scenario, run)]


def score_after(product: Product, event: SellerEvent) -> float:
    product.learn_one(event)
    return product.score_one(event)


@pytest.mark.slow
@pytest.mark.parametrize("name", ABLATIONS)
def test_each_ablation_changes_scores(name: str) -> None:
    product, arguments = without(name), MARKETS.get(name, DEFAULT)
    expected = zip(events(*arguments), product_scores(*arguments), strict=True)
    assert any(abs(score_after(product, event) - score) > 0.01 for event, score in expected)


def test_a_copy_without_patches_gives_the_same_scores() -> None:
    product = Product(detector=detector(()))
    for event, score in zip(events(*DEFAULT), product_scores(*DEFAULT), strict=True):
        assert score_after(product, event) == score


def test_the_running_core_does_not_change() -> None:
    before = {name: module for name, module in sys.modules.items() if name.startswith("stream.core")}
    copy = detector(ABLATIONS["no e"])
    assert copy is not Detector
    assert {name: module for name, module in sys.modules.items() if name.startswith("stream.core")} == before
    assert stream.core is before["stream.core"]


def test_a_patch_of_a_missing_definition_fails_with_its_name() -> None:
    with pytest.raises(LookupError, match=r"stream\.core\.baseline\.baseline has no Baseline\.gone"):
        detector((Patch("baseline.baseline", "Baseline.gone", lambda old: old),))
    with pytest.raises(LookupError, match=r"stream\.core\.baseline\.baseline has no Gone\.roll"):
        detector((Patch("baseline.baseline", "Gone.roll", lambda old: old),))
    assert sys.modules["stream.core.detector"].Detector is Detector
