"""The connectors of all tasks' sellers, in the aggregator's task, with what follows from them.

Invariant: what a day changes depends on its reports and not on their order. What is derived from the connectors (sums
over staff, the links of a seller, the parts of a ring) changes with them and is not stored. A connector is evaluated on
the days with a report about it. It ties clients if the joint odds reach their threshold and the group stands without
its strongest seller; no longer once they are less than even.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from stream.core.messages.reports import DayReport, LinkedReport, StaffReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.strata import end_of_day
from stream.core.rings.connectors import Connector, ConnectorType, LookedUp
from stream.core.rings.seller_totals import SellerTotals


class ConnectorBook:
    """All connectors.

    Args:
        log_thresholds: ln of the joint odds at which a connector ties clients.

    Attributes:
        connectors: By the name of their state row.
        sellers: The sellers' looked-up reviews, over all staff.
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self, log_thresholds: Mapping[ConnectorType, float]) -> None:
        self.connectors: dict[str, Connector] = {}
        self.sellers = SellerTotals()
        self.changed: set[str] = set()
        #: By seller, the names of the links that hold it.
        self._links_of: dict[str, set[str]] = {}
        #: By the connector that a ring is named after, the names of the others, which are its parts.
        self._parts: dict[str, set[str]] = {}
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
            touched |= self._set_links(seller)
        for name in touched:
            self.connectors[name].last_day = max(day, self.connectors[name].last_day)
        self.changed |= touched
        return [self.connectors[name] for name in sorted(touched)]

    def _set_links(self, seller: LinkedReport) -> set[str]:
        """Set what a report says of a seller in its links; return the names of the connectors that it changes.

        A seller keeps its latest links only, so it leaves the connectors that the report does not name.
        """
        before = self._links_of.get(seller.seller_id, set())
        names: set[str] = set()
        for link_id, relation in sorted(seller.links.items()):
            connector = self._get_or_add("link", link_id)
            connector.relation = relation
            connector.set_linked(seller)
            connector.add_latest(seller.latest)
            names.add(connector.name)
        for name in before - names:
            del self.connectors[name].members[seller.seller_id]
        kept = {name for name in names if seller.seller_id in self.connectors[name].members}
        if kept:
            self._links_of[seller.seller_id] = kept
        else:
            self._links_of.pop(seller.seller_id, None)
        return before | names

    def evaluate(self, connector: Connector, day: int, looked_up: LookedUp | None = None) -> None:
        """Evaluate a connector at the end of a day; `RingBook.update` then finds the rings anew.

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

    def set_part_of(self, connector: Connector, name: str) -> None:
        """Make a connector a part of the ring that is named after another one; of none, if the name is empty."""
        self._parts.get(connector.part_of, set()).discard(connector.name)
        connector.part_of = name
        if name:
            self._parts.setdefault(name, set()).add(connector.name)
        self.changed.add(connector.name)

    def all_of(self, first: Connector) -> list[Connector]:
        """Return the connectors of a ring, the one that it is named after first."""
        return [first, *(self.connectors[name] for name in sorted(self._parts.get(first.name, ())))]

    def connectors_of(self, ring_id: str) -> list[Connector]:
        """Return the connectors of a ring; none if it is unknown."""
        first = next((one for one in self.connectors.values() if one.ring_id == ring_id), None)
        return [] if first is None else self.all_of(first)

    def clear(self, connector: Connector, decision: VerdictDecision) -> None:
        """Let a connector begin anew after a verdict that clears it."""
        if connector.type == "staff":  # a link keeps its sellers, without their evidence
            self._forget(connector)
        connector.forget_evidence(decision.at)
        connector.muted_until = decision.muted_until
        self.changed.add(connector.name)

    def drop(self, name: str) -> None:
        """Drop a connector; the parts of its ring are parts of none then."""
        connector = self.connectors[name]
        for part in self.all_of(connector)[1:]:
            self.set_part_of(part, "")
        self.set_part_of(connector, "")
        self._parts.pop(name, None)
        self._forget(connector)
        del self.connectors[name]
        self.changed.add(name)

    def row(self, name: str) -> bytes | None:
        """Return the state row of a connector; None if it was dropped."""
        connector = self.connectors.get(name)
        return None if connector is None else encode(connector)

    def load(self, name: str, value: bytes) -> None:
        """Restore a connector from its state row."""
        connector = self.connectors[name] = decode(value, Connector)
        if connector.part_of:
            self._parts.setdefault(connector.part_of, set()).add(name)
        for seller_id, member in connector.members.items():
            if connector.type == "staff":
                self.sellers.add(member.as_report(seller_id))
            else:
                self._links_of.setdefault(seller_id, set()).add(name)

    def _forget(self, connector: Connector) -> None:
        """Take sellers of a connector out of what is derived from all connectors."""
        for seller_id, member in connector.members.items():
            if connector.type == "staff":
                self.sellers.add(member.as_report(seller_id), -1)
            else:
                self._links_of[seller_id].discard(connector.name)
                if not self._links_of[seller_id]:
                    del self._links_of[seller_id]

    def _get_or_add(self, connector_type: str, connector_id: str) -> Connector:
        name = f"{connector_type}/{connector_id}"
        connector = self.connectors.get(name)
        if connector is None:
            connector = self.connectors[name] = Connector(
                version=ROW_VERSION, type="staff" if connector_type == "staff" else "link", connector_id=connector_id
            )
        return connector
