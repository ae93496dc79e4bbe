"""What the pages and actions of the console share.

Invariant: nothing here belongs to one request.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import OrderedDict
from threading import Lock
from typing import Final, Literal, Protocol
from urllib.parse import quote

from stream.config import ConsoleSettings, Settings
from stream.console.access.roles import User
from stream.console.change_stream import ChangeStream
from stream.console.decisions import Decisions
from stream.console.health import Health
from stream.console.metrics import ConsoleMetrics, CountedDecisions
from stream.console.readings import accused_staff
from stream.console.source.read_model import ReadModel
from stream.contract.alerts import TurnedReview
from stream.contract.cases import Case

_MAX_UNCERTAIN: Final = 1_000

#: Whether an event was recorded.
EventState = Literal["recorded", "absent", "pending"]


class CaseSource(Protocol):
    """Keeps the read model up to date.

    Attributes:
        problem: Why nothing can be read at present, as a line for a person; None if all is well.
        lag: Records that wait to be read.
        refused: Records that are none of the contract.
    """

    problem: str | None
    lag: int
    refused: int

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Stop, and wait for the end."""

    def complete_since(self, at: float) -> bool:
        """Return whether everything that was written before a time (`time.monotonic`) is in the read model."""

    def behind_seconds(self) -> float:
        """Return the time since the read model was complete; since the start if it was not yet."""

    def market_now(self) -> dt.datetime:
        """Return the present time in the market's event time."""


class ReadingLog(Protocol):
    """Keeps who has read which case that accuses staff."""

    def note(self, user: User, case: Case) -> None:
        """Write that a user is about to read a case."""


class Services:
    """What the console consists of.

    Args:
        settings, console: The settings.
        read_model: The cases.
        source: What keeps the read model up to date.
        decisions: What writes decisions.
        readings: Keeps who has read which staff case; None if that is not kept.
        live: Tells open pages what has changed.
        health: The line of health.
    """

    def __init__(
        self,
        settings: Settings,
        console: ConsoleSettings,
        read_model: ReadModel,
        source: CaseSource,
        decisions: Decisions,
        readings: ReadingLog | None,
        live: ChangeStream,
        health: Health,
    ) -> None:
        self.settings, self.console = settings, console
        self.read_model, self.source = read_model, source
        self.live, self.health = live, health
        self.metrics = ConsoleMetrics(read_model, source, live)
        self.decisions = CountedDecisions(decisions, self.metrics)
        self._readings = readings
        self._lock = Lock()
        self._begun = time.monotonic()
        #: Since when it is not known whether an event was recorded, by its id; infinity while it is being written.
        self._uncertain: OrderedDict[str, float] = OrderedDict()

    def note_reading(self, user: User, case: Case) -> None:
        """Keep that a user reads a case, if it accuses a staff member."""
        if self._readings is not None and accused_staff(case):
            self._readings.note(user, case)

    def review_address(self, case: Case, review: TurnedReview) -> str | None:
        """Return the address of a review on the marketplace; None if the setting names none."""
        template = self.console.review_url
        if template is None:
            return None
        seller_id = review.seller_id or case.subject.id
        names = {"review_id": review.review_id, "product_id": review.product_id, "seller_id": seller_id}
        for name, value in names.items():
            template = template.replace(f"{{{name}}}", quote(value, safe=""))
        return template

    def writing(self, event_id: str, at: float) -> None:
        """Keep since when it is uncertain whether an event was recorded."""
        with self._lock:
            self._uncertain[event_id] = at
            while len(self._uncertain) > _MAX_UNCERTAIN:
                self._uncertain.popitem(last=False)

    def state_of_event(self, event_id: str) -> EventState:
        """Return whether an event was recorded; one that this console does not know of came before its start."""
        if self.read_model.event(event_id) is not None:
            return "recorded"
        with self._lock:
            since = self._uncertain.get(event_id, self._begun)
        if not self.source.complete_since(since):
            return "pending"
        return "recorded" if self.read_model.event(event_id) is not None else "absent"
