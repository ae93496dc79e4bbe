"""The evidence against a seller after its latest flip, for every watch on sellers."""

from __future__ import annotations

import math
from collections.abc import Callable

from stream.core.baseline.baseline import Baseline
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.insider_clients import LOG_CLIENT_ODDS, only_linked_flips
from stream.core.evidence.parts import Part
from stream.core.evidence.watches import ACCESS_WATCH, CLIENT_MODEL, SELLER_MODEL, SELLER_PRIOR
from stream.core.evidence.window_factors import Prior
from stream.core.model.sums import total
from stream.core.subjects.seller import Seller


def evaluate_seller(
    seller: Seller, baseline: Baseline, linked: list[bool]
) -> tuple[list[float], Callable[[int], WindowEvidence]]:
    """Evaluate all watches on a seller.

    Args:
        seller: The seller; its expected flips are settled up to the latest flip.
        baseline: The market of the seller's task.
        linked: For each kept flip of the seller, whether staff accused over other sellers looked its review up; empty
            where no staff is accused.

    Returns:
        ln R of each watch, and a function that gives a watch's strongest window (few are ever asked for).
    """
    totals = seller.totals()
    prior = Prior(
        *SELLER_PRIOR,
        retracted_share=baseline.retracted_share(total(seller.flips_by_group), total(seller.retracted_by_group)),
        looked_up_ratio=baseline.looked_up_ratio(seller.looked_up_flips, seller.looked_up_expected),
        expected_per_peer_flip=seller.expected_per_peer_flip(baseline),
    )
    result = SELLER_MODEL.evaluate(seller.history, totals, prior)
    if not any(linked):
        return result.log_odds, result.strongest_window
    history = only_linked_flips(seller.history, totals, linked)
    found = CLIENT_MODEL.evaluate(history, totals, prior._replace(looked_up_ratio=1.0)).strongest_window(0)
    as_client = found._replace(
        log_odds=found.log_odds + LOG_CLIENT_ODDS,
        parts=[*found.parts, Part("insider_client", LOG_CLIENT_ODDS, {"factor": math.exp(LOG_CLIENT_ODDS)})],
    )
    if as_client.log_odds <= result.log_odds[ACCESS_WATCH]:
        return result.log_odds, result.strongest_window
    log_odds = list(result.log_odds)
    log_odds[ACCESS_WATCH] = as_client.log_odds
    return log_odds, lambda watch: as_client if watch == ACCESS_WATCH else result.strongest_window(watch)
