"""Takes the next case of a list for an analyst, so that no two analysts get the same one.

A case is taken by an event `case.assigned`, which consoles see in the order of the log: of two analysts who took a case
at the same moment, the first in the log has it. The other one gives it back and takes the next.

Invariant: a case that somebody took himself and did nothing with is free again after a while.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from threading import Lock
from typing import Final
from uuid import uuid4

from stream.console.access.roles import User
from stream.console.case_view import contested, with_pending_assignee
from stream.console.queue_filter import QueueFilter
from stream.console.services import Services
from stream.console.source.rows import RecordedEvent
from stream.contract.cases import Case
from stream.contract.events import CaseAssigned
from stream.core.cases.transitions import waiting_verdict

_TRIES: Final = 5
_CANDIDATES: Final = 50
_SEEN_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.05


class Taking:
    """Takes cases.

    Args:
        services: What the console consists of.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = Lock()
        #: Cases that this console is taking for somebody; the event may not be in the log yet.
        self._taken: dict[str, str] = {}

    def take_next(self, user: User, chosen: QueueFilter) -> str | None:
        """Take the first case of a list that nobody has, and return its id; None if there is none.

        Raises:
            NotAcknowledgedError: Kafka did not acknowledge the event.
        """
        for _ in range(_TRIES):
            case = self._reserve(user, chosen)
            if case is None:
                return None
            try:
                if self._take(user, case):
                    return case.case_id
            finally:
                with self._lock:
                    self._taken.pop(case.case_id, None)
        return None

    def _reserve(self, user: User, chosen: QueueFilter) -> Case | None:
        """Return the first free case, and keep it from others of this console."""
        where, order, values = chosen.sql()
        cases = self._services.read_model.select(where, order, values, _CANDIDATES)
        with self._lock:
            for case in cases:
                if case.case_id not in self._taken and self.is_free(user, case):
                    self._taken[case.case_id] = user.id
                    return case
        return None

    def is_free(self, user: User, case: Case) -> bool:
        """Return whether a user may take a case: nobody has it, or nothing has happened to it for the time of a lease.

        A case that waits for a second analyst is not offered to the first one, nor an appeal to whom it contests.
        """
        events = self._services.read_model.events_of(case.case_id)
        case = with_pending_assignee(case, events, dt.datetime.now(dt.UTC))
        first = waiting_verdict(case)
        if case.state not in {"open", "appealed"} or (first is not None and first.analyst_id == user.id):
            return False
        if user.id in contested(case):
            return False
        # Who gave the first half of a verdict has done his part, and still has the case.
        if first is not None and case.assignee == first.analyst_id:
            return True
        return case.assignee is None or (case.assignee != user.id and self._lease_is_over(events))

    def _lease_is_over(self, events: Sequence[RecordedEvent]) -> bool:
        """Return whether somebody took a case himself and did nothing with it since."""
        if not events or not isinstance(events[-1].event, CaseAssigned):
            return False
        latest = events[-1]
        event = latest.event
        assert isinstance(event, CaseAssigned)
        lease = dt.timedelta(minutes=self._services.console.console_lease_minutes)
        return event.analyst_id == event.assignee_id and latest.recorded_at + lease < dt.datetime.now(dt.UTC)

    def _take(self, user: User, case: Case) -> bool:
        """Write that a user takes a case, and return whether nobody was before in the log."""
        known = {found.event.event_id for found in self._services.read_model.events_of(case.case_id)}
        event_id = uuid4().hex
        self._services.decisions.assign(user, case.case_id, {"event_id": event_id, "assignee": user.id})
        until = time.monotonic() + _SEEN_SECONDS
        while self._services.read_model.event(event_id) is None and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        for found in self._services.read_model.events_of(case.case_id):
            event = found.event
            if event.event_id == event_id:
                return True
            if event.event_id in known or not isinstance(event, CaseAssigned) or event.assignee_id is None:
                continue
            lead = User(user.id, "lead")
            self._services.decisions.assign(
                lead, case.case_id, {"event_id": uuid4().hex, "assignee": event.assignee_id}
            )
            return False
        return True
