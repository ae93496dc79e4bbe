"""Ablations: the product without one of its parts, to measure each part's effect.

Invariant: an ablation is an entry in a table of patches on a copy of the core; it fails with the name if a definition
does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from librt.vecs import vec

from stream.arena.patched_core import Patch, detector
from stream.arena.product import Product


def without(name: str) -> Product:
    """Make the product with the patches `ABLATIONS[name]`."""
    return Product(detector=detector(ABLATIONS[name]))


def _always(value: Any) -> Callable[[Any], Any]:
    """Replace any definition by this value."""
    return lambda _: value


def _model_arguments(changed: Callable[[dict[str, Any]], dict[str, Any]]) -> Patch:
    """Build evidence models with some arguments replaced."""

    def replace(model: Any) -> Any:
        return lambda **given: model(**given | changed(given))

    return Patch("evidence.evidence", "EvidenceModel", replace)


def _contrasts(**changed: Any) -> Patch:
    """Replace these fields of all contrasts."""
    return _model_arguments(
        lambda given: {"contrasts": [contrast._replace(**changed) for contrast in given["contrasts"]]}
    )


def _one_stratum_per_group(cell_at: Any) -> Any:
    """Put all reviews of one exposure group into one stratum, whatever their stars, age and time since contact."""
    first_cells: dict[int, int] = {}  # the first cell seen of each group stands for all of them

    def coarse(*review: Any) -> tuple[int, float]:
        cell, due_at = cell_at(*review)
        group_of = cell_at.__globals__["GROUP_OF"]
        # A look-up changes the group within a stratum: the stratum follows the group of the same review not looked up.
        plain = first_cells.setdefault(group_of[cell & ~1], cell & ~1)
        return plain | (cell & 1), due_at

    return coarse


def _no_long_run(_: Any) -> Any:
    """Make the comparison with the long run explain nothing, so that the one with peers counts."""
    return lambda *_: math.inf


def _equal_weights(update_weight: Any) -> Any:
    """Keep a seller's weight; only the log odds are updated."""

    def keep(seller: Any, log_odds: list[float], *_: Any) -> None:
        seller.log_odds = log_odds

    return keep


def _no_cluster(created: vec[float], sums: vec[float], groups: int) -> vec[float]:
    """Put no flip into an arrival cluster."""
    return vec[float]([0.0] * (len(sums) - 4 * groups))


#: By name; docs/detection.md describes each part. The names are those of docs/arena.json and of `--competitors`.
ABLATIONS: Final[dict[str, tuple[Patch, ...]]] = {
    "no bands": (
        Patch("model.strata", "cell_at", _one_stratum_per_group),
        # `advance` moves to the next age bucket by counting; the patched cells are not consecutive.
        Patch("subjects.reviews", "Review.advance", _always(lambda review: review.update_cell(review.due_at))),
    ),
    "no controls": (_contrasts(controls=(), optional_exposed=(), optional_controls=()),),
    "none spared": (_contrasts(optional_exposed=()),),
    "all heard": (_contrasts(optional_controls=()),),
    "no own past": (_model_arguments(lambda _: {"past_weight": 0.0}),),
    "no long run": (Patch("evidence.window_factors", "WindowFactors.by_long_run", _no_long_run),),
    "peers known": (Patch("subjects.seller", "Seller.expected_per_peer_flip", _always(lambda *_: 0.0)),),
    "no voices": (Patch("subjects.seller", "Seller.update_weight", _equal_weights),),
    "no e": (Patch("evidence.window_factors", "EXTRA_EXPECTED", _always(1e-9)),),
    "no marks": (Patch("evidence.window_factors", "log_retraction_factor", _always(lambda *_: 0.0)),),
    "no surge": (_contrasts(burst_explains=False),),
    "no bombs": (Patch("baseline.arrivals", "Arrivals.add", _always(lambda arrivals, now: False)),),
    "no crowds": (Patch("evidence.evidence", "arrival_clusters", _always(_no_cluster)),),
    "no clients": (Patch("flip_handler", "FlipHandler._linked_to_accused", _always(lambda handlers, seller: [])),),
    "no lift": (Patch("baseline.baseline", "Baseline.looked_up_ratio", _always(lambda *_: 1.0)),),
}
