"""The evidence against a seller after its latest flip, for every watch on sellers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from stream.core.baseline.baseline import Baseline
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.insider_clients import LOG_CLIENT_ODDS, only_linked_flips
from stream.core.evidence.parts import Part
from stream.core.evidence.watches import ACCESS_WATCH, CLIENT_MODEL, SELLER_MODEL, SELLER_PRIOR
from stream.core.evidence.window_factors import Prior
from stream.core.model.sums import total
from stream.core.subjects.seller import Seller


class SellerEvidence(NamedTuple):
    """The evidence against a seller.

    Attributes:
        log_odds: ln R of each watch.
        strongest_window: Gives a watch's strongest window; few are ever asked for.
        own_log_odds: ln R of each watch by the seller's flips alone, whoever else is accused.
        own_counts: Gives a watch's strongest window by the seller's flips alone; see `EvidenceResult.strongest_counts`.
    """

    log_odds: list[float]
    strongest_window: Callable[[int], WindowEvidence]
    own_log_odds: list[float]
    own_counts: Callable[[int], tuple[int, float, float]]


def evaluate_seller(seller: Seller, baseline: Baseline, linked: list[bool], in_ring: bool) -> SellerEvidence:
    """Evaluate all watches on a seller.

    Args:
        seller: The seller; its expected flips are settled up to the latest flip.
        baseline: The market of the seller's task.
        linked: For each kept flip of the seller, whether staff accused over other sellers looked its review up; empty
            where no staff is accused.
        in_ring: Whether the seller is a member of a ring that would be one without it.
    """
    totals = seller.totals()
    prior = Prior(
        *SELLER_PRIOR,
        retracted_share=baseline.retracted_share(total(seller.flips_by_group), total(seller.retracted_by_group)),
        looked_up_ratio=baseline.looked_up_ratio(seller.looked_up_flips, seller.looked_up_expected),
        expected_per_peer_flip=seller.expected_per_peer_flip(baseline),
    )
    result = SELLER_MODEL.evaluate(seller.history, totals, prior)
    found = SellerEvidence(result.log_odds, result.strongest_window, result.log_odds, result.strongest_counts)
    if in_ring:
        found = _in_ring(found)
    return _as_client(found, seller, totals, prior, linked) if any(linked) else found


def _in_ring(own: SellerEvidence) -> SellerEvidence:
    """Return the evidence against a member of a ring: its prior odds are higher, for all watches."""
    moved = [value + LOG_CLIENT_ODDS for value in own.log_odds]
    part = Part("ring", LOG_CLIENT_ODDS, {"factor": math.exp(LOG_CLIENT_ODDS)})

    def strongest_window(watch: int) -> WindowEvidence:
        found = own.strongest_window(watch)
        return found._replace(log_odds=found.log_odds + LOG_CLIENT_ODDS, parts=[*found.parts, part])

    return own._replace(log_odds=moved, strongest_window=strongest_window)


def _as_client(
    found: SellerEvidence, seller: Seller, totals: list[float], prior: Prior, linked: list[bool]
) -> SellerEvidence:
    """Return the evidence with that of an insider's client in place of the watch on look-ups, if it is stronger."""
    history = only_linked_flips(seller.history, totals, linked)
    window = CLIENT_MODEL.evaluate(history, totals, prior._replace(looked_up_ratio=1.0)).strongest_window(0)
    as_client = window._replace(
        log_odds=window.log_odds + LOG_CLIENT_ODDS,
        parts=[*window.parts, Part("insider_client", LOG_CLIENT_ODDS, {"factor": math.exp(LOG_CLIENT_ODDS)})],
    )
    if as_client.log_odds <= found.log_odds[ACCESS_WATCH]:
        return found
    log_odds = list(found.log_odds)
    log_odds[ACCESS_WATCH] = as_client.log_odds
    return found._replace(
        log_odds=log_odds,
        strongest_window=lambda watch: as_client if watch == ACCESS_WATCH else found.strongest_window(watch),
    )
