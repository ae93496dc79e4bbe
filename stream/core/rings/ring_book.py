"""The rings that connectors tie, in the aggregator's task, at the end of each day.

Invariant: connectors that share clients make one ring, which is named after the one that was named first. A ring has
MIN_MEMBERS members at least; with fewer it has fallen apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from stream.core.evidence.rings import MIN_MEMBERS
from stream.core.messages.conclusions import RingMembers
from stream.core.messages.reports import ReportedFlip
from stream.core.model.decisions import VerdictDecision
from stream.core.model.strata import DAY, end_of_day
from stream.core.rings.connector_book import ConnectorBook
from stream.core.rings.connectors import Connector
from stream.core.rings.ring_view import RingView, ended, share_clients, view_of

#: Reports a ring with the latest flips that its connectors tie, at the end of a day (days since 1970-01-01).
ReportRing = Callable[[RingView, list[ReportedFlip], int], None]
#: Gives the latest flips that a connector ties.
FindingsOf = Callable[[Connector], list[ReportedFlip]]


class RingBook:
    """All rings.

    Args:
        book: The connectors.
        report_ring: Called for each ring on the days with a report about it, and when it ends.
    """

    def __init__(self, book: ConnectorBook, report_ring: ReportRing) -> None:
        self._book = book
        #: Set by the aggregator, which keeps the flips of staff.
        self.findings_of: FindingsOf = lambda connector: connector.latest
        self._report_ring = report_ring

    def update(self, connectors: Iterable[Connector], day: int) -> list[RingMembers]:
        """Find the rings anew that evaluated connectors are parts of, at the end of a day, each ring once.

        Returns:
            The rings whose members have changed.
        """
        changed: list[RingMembers] = []
        firsts: dict[str, Connector] = {}
        for connector in connectors:
            if connector.ties_clients and not connector.part_of:
                other = self._broker_of(connector, firsts.values())
                if other is not None:
                    changed += self._merge(connector, other, day)
            first = self._book.connectors.get(connector.part_of, connector)
            firsts[first.name] = first
        for first in [one for one in firsts.values() if not one.part_of]:
            changed += self._update(first, day)
        return changed

    def _broker_of(self, connector: Connector, found: Iterable[Connector]) -> Connector | None:
        """Return the connector that the ring of the same broker is named after, if there is one.

        Args:
            connector: The connector.
            found: Those of the same day before it.
        """
        candidates = {one.name: one for one in self._book.connectors.values() if one.is_ring}
        candidates |= {one.name: one for one in found if one.ties_clients and not one.part_of}
        rings = [one for one in candidates.values() if one is not connector]
        if not rings:
            return None
        sellers = len(set[str]().union(*(one.members for one in self._book.connectors.values())))
        for first in sorted(rings, key=lambda one: (one.named_at or math.inf, one.name)):
            if any(share_clients(connector, part, sellers) for part in self._book.all_of(first)):
                return first
        return None

    def _merge(self, connector: Connector, other: Connector, day: int) -> list[RingMembers]:
        """Make a connector, and the parts of its ring if it has one, parts of another ring; return the ended one."""
        was_ring = connector.is_ring
        for part in self._book.all_of(connector):
            self._book.set_part_of(part, other.name)
        return self._end(connector, day, merged_into=other.ring_id) if was_ring else []

    def _update(self, first: Connector, day: int) -> list[RingMembers]:
        """Find the ring anew that is named after a connector; return it if its members have changed."""
        parts = [one for one in self._book.all_of(first) if one.ties_clients]
        ring, at = view_of(first, parts), end_of_day(day)
        if not parts or len(ring.members) < MIN_MEMBERS:
            return self._end(first, day) if first.is_ring else []
        # Accused staff move the odds of the sellers that they served by themselves.
        by_links = all(one.type == "link" for one in parts)
        members = [one.seller_id for one in ring.members]
        moved = [one.seller_id for one in ring.members if by_links and ring.stands_without(one)]
        is_unchanged = first.is_ring and (sorted(first.joined_at), first.moved) == (sorted(members), moved)
        first.named_at, first.fell_apart_at, first.moved = first.named_at if first.is_ring else at, None, moved
        first.joined_at = {name: first.joined_at.get(name, at) for name in members}
        self._book.changed.add(first.name)
        self._report_ring(ring, [finding for one in parts for finding in self.findings_of(one)], day)
        return [] if is_unchanged else [RingMembers(day, first.ring_id, members, moved)]

    def _end(self, first: Connector, day: int, merged_into: str | None = None) -> list[RingMembers]:
        """End a ring that has fallen apart, or becomes a part of another one."""
        first.fell_apart_at, first.joined_at, first.moved = end_of_day(day), {}, []
        first.confirmed = False
        self._book.changed.add(first.name)
        self._report_ring(ended(first, self._book.all_of(first), merged_into), [], day)
        return [RingMembers(day, first.ring_id, [], [])]

    def clear_staff(self, decision: VerdictDecision, day: int) -> list[RingMembers]:
        """Take a staff member out of its ring after a verdict that withdraws the accusation."""
        connector = self._book.connectors.get(f"staff/{decision.subject_id}")
        if connector is None:
            return []
        self._book.clear(connector, decision)
        first = self._book.connectors.get(connector.part_of, connector)
        return self._update(first, day) if first.is_ring else []

    def decide(self, decision: VerdictDecision, day: int) -> list[RingMembers]:
        """Apply a verdict on a ring that came into force on a day; return the ring if it falls apart."""
        parts = self._book.connectors_of(decision.subject_id)
        if not parts:
            return []
        first = parts[0]
        self._book.changed.add(first.name)
        first.muted_until, first.confirmed = decision.muted_until, decision.verdict == "confirmed"
        if not decision.clears:
            return []
        for part in parts:
            self._book.clear(part, decision)
        return self._end(first, day) if first.is_ring else []

    def drop_inactive(self, horizon: float, day: int) -> list[RingMembers]:
        """Drop connectors without a report since `horizon` (epoch seconds): the bound on this class's memory.

        Returns:
            The rings that end with it on a day.
        """
        connectors = self._book.connectors
        gone: list[RingMembers] = []
        for name in [name for name, one in connectors.items() if (one.last_day + 1) * DAY < horizon]:
            gone += self._end(connectors[name], day) if connectors[name].is_ring else []
            self._book.drop(name)
        return gone
