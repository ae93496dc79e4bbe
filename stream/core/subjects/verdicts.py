"""What a verdict changes in what is believed of a seller.

Invariant: only the seller's past, its weight and its mute period change, from the verdict on. What it has contributed
to the rates before cannot be taken back; it fades with their memory of a year.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec

from stream.contract.events import Verdict
from stream.core.baseline.baseline import Baseline
from stream.core.evidence.watches import PAST_WEIGHT
from stream.core.model.flip_windows import N_COLUMNS, N_META_COLUMNS
from stream.core.model.verdict_effect import VerdictEffect
from stream.core.subjects.seller import Seller

#: Times of alerts are rounded to microseconds.
_ROUNDING_SECONDS: Final = 1e-3


def apply_verdict(
    seller: Seller, baseline: Baseline, verdict: Verdict, window_since: float, muted_until: float, now: float
) -> None:
    """Apply a verdict that came into force.

    "confirmed": the flips of the window are no part of the seller's past, and the seller loses its weight. "explained"
    and "dismissed": everything so far is the seller's own past at full weight. Both: no window begins before now.
    "inconclusive": the evidence stays.

    Args:
        seller: The seller.
        baseline: The market of its task.
        verdict: The verdict.
        window_since: When the window of the evidence began (epoch seconds).
        muted_until: Until when the seller raises no alerts (epoch seconds); 0 if it may.
        now: Epoch seconds.
    """
    seller.settle(baseline, now)
    if verdict == "inconclusive":
        before = seller.verdict
        seller.verdict = VerdictEffect(
            since=seller.evaluated_since(),
            dropped_flips=0 if before is None else before.dropped_flips,
            past=[0.0] * len(seller.totals()) if before is None else before.past,
            confirmed=False,
            muted_until=muted_until,
        )
        seller.update_weight(seller.log_odds, baseline, now)
        return
    before_window = _totals_before(seller, window_since)
    seller.verdict = None
    totals = seller.totals()
    if verdict == "confirmed":
        past = [before - value for before, value in zip(before_window, totals, strict=True)]
    else:
        past = [value * (1.0 / PAST_WEIGHT - 1.0) for value in totals]
    seller.verdict = VerdictEffect(now, seller.flip_count, past, verdict == "confirmed", muted_until)
    seller.history, seller.flips, seller.finding = vec[float](), [], None
    seller.update_weight([], baseline, now)


def _totals_before(seller: Seller, window_since: float) -> list[float]:
    """Return the totals before the first kept flip since a time (epoch seconds)."""
    history = seller.history
    for row in range(0, len(history), N_COLUMNS):
        if history[row] >= window_since - _ROUNDING_SECONDS:
            return list(history[row + N_META_COLUMNS : row + N_COLUMNS])
    return seller.totals()
