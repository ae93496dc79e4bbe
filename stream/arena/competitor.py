"""The interface of a competitor: river's of an anomaly detector, with events in and a score of the seller out.

Invariant: a competitor receives events in the order of their times and nothing else. Its scores may have any scale:
only their order counts, because the arena compares competitors at equal numbers of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from stream.contract.events import SellerEvent
from stream.market.output import Market

#: ln R of a seller without evidence, and the lowest score.
NO_EVIDENCE: Final = -50.0


class Competitor(Protocol):
    """Learns from each event, and then scores how suspicious the event's seller is."""

    def learn_one(self, x: SellerEvent) -> None:
        """Learn the next event."""

    def score_one(self, x: SellerEvent) -> float:
        """Return the score of `x.seller_id` after `learn_one(x)`; finite, higher is more suspicious."""


#: Makes a competitor for a market. Only the oracles use the market's truth and parameters.
Factory = Callable[[Market], Competitor]
