"""The connectors of all tasks' sellers, in the aggregator's task: which of them tie a ring, at the end of each day.

Invariant: what a day changes depends on its reports and not on their order. A connector is evaluated on the days with a
report about it. A ring is named when a staff member is accused, or a link's joint odds reach their threshold, and the
group stands without its strongest member; it falls apart when that is no longer more likely than not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from stream.core.evidence.rings import MIN_MEMBERS
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.strata import DAY
from stream.core.staff.connectors import Connector
from stream.core.staff.decisions import StaffDecision
from stream.core.staff.history import end_of_day
from stream.core.staff.messages import DayReport, LinkedReport, RingMembers, StaffFinding, StaffReport

#: Reports a ring with the latest flips that its connector ties, at the end of a day (days since 1970-01-01).
ReportRing = Callable[[Connector, list[StaffFinding], int], None]


class RingBook:
    """All connectors.

    Args:
        report_ring: Called for each ring on the days with a report about it, and when it falls apart.
        log_threshold: ln of the joint odds at which a link is named.

    Attributes:
        connectors: By the name of their state row.
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self, report_ring: ReportRing, log_threshold: float) -> None:
        self.connectors: dict[str, Connector] = {}
        self.changed: set[str] = set()
        self._report_ring = report_ring
        self._log_threshold = log_threshold

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
                connector.add_client(client)
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

    def evaluate(
        self, connector: Connector, findings: list[StaffFinding], day: int, is_accused: bool, looked_up_ratio: float
    ) -> RingMembers | None:
        """Evaluate a connector at the end of a day.

        Args:
            connector: The connector.
            findings: The latest flips that it ties.
            day: Days since 1970-01-01.
            is_accused: Whether it is a staff member accused of flips of looked-up reviews.
            looked_up_ratio: See `Connector.evaluate`.

        Returns:
            The ring, if there is one or it has fallen apart.
        """
        evidence = connector.evaluate(looked_up_ratio)
        self.changed.add(connector.name)
        at, clients = end_of_day(day), connector.clients()
        is_staff = connector.type == "staff"
        if connector.is_ring:
            stands = evidence.log_odds_without >= 0 and len(clients) >= MIN_MEMBERS
            if not stands or (is_staff and not is_accused):
                return self._fall_apart(connector, day)
        else:
            reached = is_accused if is_staff else evidence.log_odds >= self._log_threshold
            if not reached or not evidence.ties_clients() or len(clients) < MIN_MEMBERS or at < connector.muted_until:
                return None
            connector.named_at, connector.fell_apart_at = connector.named_at or at, None
        connector.joined_at = {seller_id: connector.joined_at.get(seller_id, at) for seller_id in clients}
        self._report_ring(connector, findings, day)
        return _members(connector, day)

    def withdraw(self, actor_id: str, day: int) -> RingMembers | None:
        """Let a staff member's ring fall apart, because a verdict has withdrawn the accusation."""
        connector = self.connectors.get(f"staff/{actor_id}")
        return self._fall_apart(connector, day) if connector is not None and connector.is_ring else None

    def decide(self, decision: StaffDecision, day: int) -> RingMembers | None:
        """Apply a verdict on a ring that came into force on a day; return the ring if it falls apart."""
        connector = next((one for one in self.connectors.values() if one.ring_id == decision.subject_id), None)
        if connector is None:
            return None
        self.changed.add(connector.name)
        connector.muted_until = decision.muted_until
        if not decision.clears:
            return None
        connector.forget_evidence(decision.at)
        return self._fall_apart(connector, day) if connector.is_ring else None

    def _fall_apart(self, connector: Connector, day: int) -> RingMembers:
        connector.fell_apart_at, connector.joined_at = end_of_day(day), {}
        self.changed.add(connector.name)
        self._report_ring(connector, [], day)
        return _members(connector, day)

    def drop_inactive(self, horizon: float) -> None:
        """Drop connectors without a report since `horizon` (epoch seconds): the bound on this class's memory."""
        for name in [name for name, one in self.connectors.items() if (one.last_day + 1) * DAY < horizon]:
            del self.connectors[name]
            self.changed.add(name)

    def row(self, name: str) -> bytes | None:
        """Return the state row of a connector; None if it was dropped."""
        connector = self.connectors.get(name)
        return None if connector is None else encode(connector)

    def load(self, name: str, value: bytes) -> None:
        """Restore a connector from its state row."""
        self.connectors[name] = decode(value, Connector)

    def _get_or_add(self, connector_type: str, connector_id: str) -> Connector:
        name = f"{connector_type}/{connector_id}"
        connector = self.connectors.get(name)
        if connector is None:
            connector = self.connectors[name] = Connector(
                version=ROW_VERSION, type="staff" if connector_type == "staff" else "link", connector_id=connector_id
            )
        return connector


def _members(connector: Connector, day: int) -> RingMembers:
    members = {seller_id: connector.members[seller_id].flips for seller_id in connector.joined_at}
    # Accused staff move the odds of the sellers that they served by themselves.
    moved = [] if connector.type == "staff" else [name for name in members if connector.stands_without(name)]
    return RingMembers(day, connector.ring_id, members, moved)
