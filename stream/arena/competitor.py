"""What takes part in a contest: river's interface of an anomaly detector, with events in and a seller's suspicion out.

Rule of this room: a competitor sees events in the order of their times and nothing else, and its scores mean whatever
they like: only their order counts, for all are compared at equal numbers of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from stream.events import Event
from stream.market.output import Market

#: ln R of who has shown nothing, and the least that is told.
NOTHING: Final = -50.0


class Competitor(Protocol):
    """Learns from each event, and then tells how suspicious the event's seller is."""

    def learn_one(self, x: Event) -> None:
        """Take the next event."""

    def score_one(self, x: Event) -> float:
        """The suspicion of `x.seller_id`, `x` having been learned; finite, higher is more suspicious."""


#: Makes a competitor for a market. All but an oracle leave unread what the market knows about its cheats.
Factory = Callable[[Market], Competitor]
