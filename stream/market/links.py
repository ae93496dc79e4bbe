"""Links: what a platform can know of who belongs together, as ids, relations and events.

Invariant: nothing in a link's id or in the form of its events shows whether it ties a ring or an honest group.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np

from stream.contract.events import Relation
from stream.market.cheats import Run
from stream.market.sampling import choose
from stream.market.truth import AnyGroupRow, ExtortionistRow

#: What the shops of an owner have in common, and what the clients of a broker may have.
FAMILY_RELATION: Final[Relation] = "owner"
_RING_RELATIONS: Final[tuple[Relation, ...]] = ("bank_account", "device", "address", "other")


def link_id(run: Run, group_id: str) -> str:
    """Return the id of what the sellers of a group have in common: 12 hex digits."""
    return blake2b(msgspec.json.encode((run, group_id)), digest_size=6).hexdigest()


def ring_relation(random: np.random.Generator) -> Relation:
    """Draw what the clients of a broker have in common."""
    return choose(random, _RING_RELATIONS)


def link_events(rows: Iterable[AnyGroupRow]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield an event for each link of the truth, with its time in epoch milliseconds."""
    for row in rows:
        if isinstance(row, ExtortionistRow):
            continue
        for link in row.links:
            event = {
                "event_id": f"{link.seller_id}-{link.linked_id}",
                "occurred_at": link.known_at,
                "type": "seller.linked",
                "seller_id": link.seller_id,
                "link_id": link.linked_id,
                "relation": link.relation,
            }
            yield round(dt.datetime.fromisoformat(link.known_at).timestamp() * 1000), event
