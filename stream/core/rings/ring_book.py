"""The connectors of all tasks' sellers, in the aggregator's task: which of them tie a ring, at the end of each day.

Invariant: what a day changes depends on its reports and not on their order. A connector is evaluated on the days with a
report about it. It ties clients if the joint odds reach their threshold and the group stands without its strongest
seller; no longer once they are less than even. Connectors that share clients make one ring.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from stream.core.evidence.rings import MIN_MEMBERS
from stream.core.messages.conclusions import RingMembers
from stream.core.messages.reports import DayReport, LinkedReport, ReportedFlip, StaffReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.strata import DAY, end_of_day
from stream.core.rings.connectors import Connector, ConnectorType, LookedUp, TiedSeller
from stream.core.rings.ring_view import RingView, share_clients, view_of
from stream.core.rings.seller_totals import SellerTotals

#: Reports a ring with the latest flips that its connectors tie, at the end of a day (days since 1970-01-01).
ReportRing = Callable[[RingView, list[ReportedFlip], int], None]
#: Gives the latest flips that a connector ties.
FindingsOf = Callable[[Connector], list[ReportedFlip]]


class RingBook:
    """All connectors.

    Args:
        report_ring: Called for each ring on the days with a report about it, and when it ends.
        log_thresholds: ln of the joint odds at which a connector ties clients.

    Attributes:
        connectors: By the name of their state row.
        sellers: The sellers' looked-up reviews, over all staff.
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self, report_ring: ReportRing, log_thresholds: Mapping[ConnectorType, float]) -> None:
        self.connectors: dict[str, Connector] = {}
        self.sellers = SellerTotals()
        self.changed: set[str] = set()
        #: By the connector that a ring is named after, the names of the others, which are its parts; derived.
        self._parts: dict[str, set[str]] = {}
        #: Set by the aggregator, which keeps the flips of staff.
        self.findings_of: FindingsOf = lambda connector: connector.latest
        self._report_ring = report_ring
        self._log_thresholds = log_thresholds

    def add_day(self, day: int, reports: Iterable[DayReport]) -> list[Connector]:
        """Add the reports of a day, sorted by row name; return the connectors that they are about."""
        staff: defaultdict[str, list[StaffReport]] = defaultdict(list)
        linked: dict[str, LinkedReport] = {}
        for report in reports:
            linked |= {one.seller_id: one for one in report.linked}
            for one in report.staff:
                if one.clients:
                    staff[one.actor_id].append(one)
        touched: set[str] = set()
        for actor_id, its in staff.items():
            connector = self._get_or_add("staff", actor_id)
            for client in sorted((client for one in its for client in one.clients), key=lambda one: one.seller_id):
                if connector.add_client(client):
                    self.sellers.add(client)
            touched.add(connector.name)
        for _, seller in sorted(linked.items()):
            for link_id, relation in sorted(seller.links.items()):
                connector = self._get_or_add("link", link_id)
                connector.relation = relation
                connector.set_linked(seller)
                connector.add_latest(seller.latest)
                touched.add(connector.name)
        for name in touched:
            self.connectors[name].last_day = max(day, self.connectors[name].last_day)
        self.changed |= touched
        return [self.connectors[name] for name in sorted(touched)]

    def evaluate(self, connector: Connector, day: int, looked_up: LookedUp | None = None) -> None:
        """Evaluate a connector at the end of a day; `update` then finds the rings anew.

        Args:
            connector: The connector.
            day: Days since 1970-01-01.
            looked_up: See `Connector.evaluate`.
        """
        evidence = connector.evaluate(looked_up)
        self.changed.add(connector.name)
        if connector.ties_clients:
            connector.ties_clients = evidence.log_odds >= 0
        elif end_of_day(day) >= connector.muted_until:
            reached = evidence.log_odds >= self._log_thresholds[connector.type]
            connector.ties_clients = reached and evidence.stands_without_strongest()

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
            first = self.connectors.get(connector.part_of, connector)
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
        candidates = {one.name: one for one in self.connectors.values() if one.is_ring}
        candidates |= {one.name: one for one in found if one.ties_clients and not one.part_of}
        rings = [one for one in candidates.values() if one is not connector]
        if not rings:
            return None
        sellers = len(set[str]().union(*(one.members for one in self.connectors.values())))
        for first in sorted(rings, key=lambda one: (one.named_at or math.inf, one.name)):
            if any(share_clients(connector, part, sellers) for part in self._all_of(first)):
                return first
        return None

    def _merge(self, connector: Connector, other: Connector, day: int) -> list[RingMembers]:
        """Make a connector, and the parts of its ring if it has one, parts of another ring; return the ended one."""
        was_ring = connector.is_ring
        for part in self._all_of(connector):
            self._set_part_of(part, other.name)
        return self._end(connector, day, merged_into=other.ring_id) if was_ring else []

    def _set_part_of(self, connector: Connector, name: str) -> None:
        self._parts.get(connector.part_of, set()).discard(connector.name)
        connector.part_of = name
        if name:
            self._parts.setdefault(name, set()).add(connector.name)
        self.changed.add(connector.name)

    def _all_of(self, first: Connector) -> list[Connector]:
        """Return the connectors of a ring, the one that it is named after first."""
        return [first, *(self.connectors[name] for name in sorted(self._parts.get(first.name, ())))]

    def _update(self, first: Connector, day: int) -> list[RingMembers]:
        """Find the ring anew that is named after a connector; return it if its members have changed."""
        parts = [one for one in self._all_of(first) if one.ties_clients]
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
        self.changed.add(first.name)
        self._report_ring(ring, [finding for one in parts for finding in self.findings_of(one)], day)
        return [] if is_unchanged else [RingMembers(day, first.ring_id, members, moved)]

    def _end(self, first: Connector, day: int, merged_into: str | None = None) -> list[RingMembers]:
        """End a ring that has fallen apart, or becomes a part of another one."""
        first.fell_apart_at, first.joined_at, first.moved = end_of_day(day), {}, []
        first.confirmed = False
        self.changed.add(first.name)
        self._report_ring(view_of(first, [], merged_into), [], day)
        return [RingMembers(day, first.ring_id, [], [])]

    def clear_staff(self, decision: VerdictDecision, day: int) -> list[RingMembers]:
        """Take a staff member out of its ring after a verdict that withdraws the accusation."""
        connector = self.connectors.get(f"staff/{decision.subject_id}")
        if connector is None:
            return []
        self._clear(connector, decision)
        first = self.connectors.get(connector.part_of, connector)
        return self._update(first, day) if first.is_ring else []

    def connectors_of(self, ring_id: str) -> list[Connector]:
        """Return the connectors of a ring; none if it is unknown."""
        first = next((one for one in self.connectors.values() if one.ring_id == ring_id), None)
        return [] if first is None else self._all_of(first)

    def decide(self, decision: VerdictDecision, day: int) -> list[RingMembers]:
        """Apply a verdict on a ring that came into force on a day; return the ring if it falls apart."""
        parts = self.connectors_of(decision.subject_id)
        if not parts:
            return []
        first = parts[0]
        self.changed.add(first.name)
        first.muted_until, first.confirmed = decision.muted_until, decision.verdict == "confirmed"
        if not decision.clears:
            return []
        for part in parts:
            self._clear(part, decision)
        return self._end(first, day) if first.is_ring else []

    def _clear(self, connector: Connector, decision: VerdictDecision) -> None:
        """Let a connector begin anew after a verdict that clears it."""
        self._forget(connector, connector.members)
        connector.forget_evidence(decision.at)
        connector.muted_until = decision.muted_until
        self.changed.add(connector.name)

    def drop_inactive(self, horizon: float, day: int) -> list[RingMembers]:
        """Drop connectors without a report since `horizon` (epoch seconds): the bound on this class's memory.

        Returns:
            The rings that end with it on a day.
        """
        ended: list[RingMembers] = []
        for name in [name for name, one in self.connectors.items() if (one.last_day + 1) * DAY < horizon]:
            connector = self.connectors[name]
            ended += self._end(connector, day) if connector.is_ring else []
            for part in self._all_of(connector)[1:]:
                self._set_part_of(part, "")
            self._set_part_of(connector, "")
            self._parts.pop(name, None)
            self._forget(connector, connector.members)
            del self.connectors[name]
            self.changed.add(name)
        return ended

    def row(self, name: str) -> bytes | None:
        """Return the state row of a connector; None if it was dropped."""
        connector = self.connectors.get(name)
        return None if connector is None else encode(connector)

    def load(self, name: str, value: bytes) -> None:
        """Restore a connector from its state row."""
        connector = self.connectors[name] = decode(value, Connector)
        if connector.part_of:
            self._parts.setdefault(connector.part_of, set()).add(name)
        if connector.type == "staff":
            for seller_id, member in connector.members.items():
                self.sellers.add(member.as_report(seller_id))

    def _forget(self, connector: Connector, members: Mapping[str, TiedSeller]) -> None:
        """Take sellers of a staff member out of the sums over all staff."""
        if connector.type == "staff":
            for seller_id, member in members.items():
                self.sellers.add(member.as_report(seller_id), -1)

    def _get_or_add(self, connector_type: str, connector_id: str) -> Connector:
        name = f"{connector_type}/{connector_id}"
        connector = self.connectors.get(name)
        if connector is None:
            connector = self.connectors[name] = Connector(
                version=ROW_VERSION, type="staff" if connector_type == "staff" else "link", connector_id=connector_id
            )
        return connector
