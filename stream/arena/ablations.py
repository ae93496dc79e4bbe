"""The product without one of its parts: what is each worth?

Rule of this room: an ablation is a few lines of a table, patches by name of a fresh copy of the core; if a name is
gone, it fails and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from librt.vecs import vec

from stream.arena.fresh_core import Patch, detector
from stream.arena.product import Product


def without(name: str) -> Product:
    """The product in which `ABLATIONS[name]` is replaced."""
    return Product(detector=detector(ABLATIONS[name]))


def _always(value: Any) -> Callable[[Any], Any]:
    """Whatever it was, it becomes this."""
    return lambda _: value


def _scales(changed: Callable[[dict[str, Any]], dict[str, Any]]) -> Patch:
    """Scales that are made from other arguments than were asked for."""

    def replace(scales: Any) -> Any:
        return lambda **given: scales(**given | changed(given))

    return Patch("evidence", "Scales", replace)


def _questions(**changed: Any) -> Patch:
    """Scales whose questions differ."""
    return _scales(lambda given: {"questions": [question._replace(**changed) for question in given["questions"]]})


def _one_band_an_arm(locate: Any) -> Any:
    """Neither stars nor age nor time since contact tell reviews of one arm apart."""
    places: dict[int, int] = {}  # the first cell that was seen of each arm stands for all of them

    def coarse(*review: Any) -> tuple[int, float]:
        cell, due = locate(*review)
        arm_of = locate.__globals__["ARM_OF"]
        # Look-ups make an arm within a band: the band follows the arm that the review would have without.
        plain = places.setdefault(arm_of[cell & ~1], cell & ~1)
        return plain | (cell & 1), due

    return coarse


def _by_peers_alone(window: Any) -> Any:
    """The story of the long run says what the peers' says."""

    def same(*arguments: Any) -> tuple[float, float, float]:
        by_peers, _, marks = window(*arguments)
        return by_peers, by_peers, marks

    return same


def _hear_all_alike(speak: Any) -> Any:
    def silent(seller: Any, log_odds: list[float], *_: Any) -> None:
        seller.log_odds = log_odds

    return silent


def _no_marks(log_marks: Any) -> Any:
    """As if retractions were as frequent as upgrades under each of DELTAS: the log of their number."""
    deltas = log_marks.__globals__["DELTAS"]
    return lambda *_: math.log(len(deltas))


def _nobody(born: vec[float], sums: vec[float], arms: int) -> vec[float]:
    """No flip is of a crowd."""
    return vec[float]([0.0] * (len(sums) - 4 * arms))


#: By name: the parts of docs/detection.md.
ABLATIONS: Final[dict[str, tuple[Patch, ...]]] = {
    "no bands": (
        Patch("bands", "locate", _one_band_an_arm),
        Patch("reviews", "Review.advance", _always(lambda review: review.place(review.due))),  # not by counting places
    ),
    "no controls": (_questions(controls=(), spared=(), unheard=()),),
    "none spared": (_questions(spared=()),),
    "all heard": (_questions(unheard=()),),
    "no own past": (_scales(lambda _: {"past": 0.0}),),
    "no long run": (Patch("evidence", "Weights._window", _by_peers_alone),),
    "peers known": (Patch("subjects", "Seller.per_peer_flip", _always(lambda *_: 0.0)),),
    "no voices": (Patch("subjects", "Seller.speak", _hear_all_alike),),
    "no e": (Patch("evidence", "E", _always(1e-9)),),
    "no marks": (Patch("evidence", "log_marks", _no_marks),),
    "no surge": (_questions(excused=False),),
    "no bombs": (Patch("births", "Births.count", _always(lambda births, now: False)),),
    "no crowds": (Patch("evidence", "crowds", _always(_nobody)),),
    "no clients": (Patch("detector", "Detector._sold", _always(lambda detector, seller: [])),),
    "no lift": (Patch("norm", "Norm.lift", _always(lambda *_: 1.0)),),
}
