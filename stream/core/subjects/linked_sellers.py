"""What a seller's own evidence says about it as a possible member of a ring of linked sellers.

Invariant: the factor is a mean of Bayes factors over the possible starts and over the watches on changes that need no
contact, so its mean is at most one for an honest seller. The watch on contacts is left out: owners of several shops
often improve the support of all of them at once, and that is what it would see.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import vec

from stream.core.evidence.bayes import log_of_sum
from stream.core.evidence.watches import SELLER_WATCHES
from stream.core.messages.reports import LinkedReport, ReportedFlip
from stream.core.model.flip_windows import MAX_WINDOWS, N_COLUMNS
from stream.core.model.flips import Flip
from stream.core.subjects.seller import Seller
from stream.core.subjects.seller_evidence import SellerEvidence

#: The watches whose evidence counts.
_COUNTED: Final = tuple(
    number for number, watch in enumerate(SELLER_WATCHES) if watch.kind in {"seller.flips", "seller.access_flips"}
)


def linked_report(seller: Seller, evidence: SellerEvidence | None, event_id: str, flips: list[Flip]) -> LinkedReport:
    """Return what is to be reported about a linked seller.

    Args:
        seller: The seller.
        evidence: The evidence against it; None without flips.
        event_id: The event of its latest flip, or of a new link.
        flips: The flips that are to be reported with it.
    """
    links = dict(seller.links)  # the message is encoded later, when the seller may have more of them
    if evidence is None:
        return LinkedReport(seller.seller_id, links)
    log_odds = evidence.own_log_odds
    window, flips_in_window, expected = evidence.own_counts(max(_COUNTED, key=lambda number: log_odds[number]))
    earlier = seller.linked_report.latest if seller.linked_report is not None else []
    return LinkedReport(
        seller.seller_id,
        links,
        round(flips_in_window),
        max(expected, 0.0),
        log_factor(seller, log_odds),
        seller.flips[window].at,
        seller.flips[-1].at,
        [*earlier, *(ReportedFlip(seller.seller_id, event_id, None, flip) for flip in flips)][-MAX_WINDOWS:],
    )


def log_factor(seller: Seller, log_odds: list[float]) -> float:
    """Return the log Bayes factor of a seller's flips: R without the prior probability of a start.

    Args:
        seller: The seller.
        log_odds: ln R of each watch by the seller's flips alone.
    """
    mean_odds = log_of_sum(vec[float]([log_odds[number] for number in _COUNTED])) - math.log(len(_COUNTED))
    starts = vec[float]([seller.history[row + 1] for row in range(0, len(seller.history), N_COLUMNS)])
    return mean_odds - log_of_sum(starts)
