"""All kinds of messages on `integrity.evidence.v1`, and their JSON.

Invariant: each task sends and receives a few messages a day, however many tasks there are.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stream.contract.events import Verdicts
from stream.core.messages.conclusions import Conclusion
from stream.core.messages.reports import AGGREGATOR, DayReport

#: The header with the application's id, by which an application recognises its own messages.
APP_ID_HEADER: Final = "volteface.app_id"


class DayRequest(msgspec.Struct, tag="request", kw_only=True):
    """The aggregator asks a task for its reports through a day that another task has reported."""

    reporter: int
    day: int

    @property
    def recipient(self) -> int | None:
        """The number of the task that receives the message."""
        return self.reporter


class ForwardedCaseEvent(msgspec.Struct, tag="case", kw_only=True):
    """An event of a case about a staff member, a ring or a reviewer, from the task whose partition it came in.

    It is sent before that task reports that day, so the aggregator has it when it concludes that day.
    """

    event: Verdicts
    #: The day of the sending task's event clock.
    day: int

    @property
    def recipient(self) -> int | None:
        """The number of the task that receives the message."""
        return AGGREGATOR


class Forget(msgspec.Struct, tag="forget", kw_only=True):
    """A reviewer's id, or pseudonym, must be erased; the operator's command sends it.

    Every task receives it, because any task may hold a review of that reviewer.
    """

    reviewer_id: str

    @property
    def recipient(self) -> int | None:
        """None: the message is for every task."""
        return None


Message = DayReport | DayRequest | Conclusion | ForwardedCaseEvent | Forget
encode_message: Final = msgspec.json.Encoder().encode
decode_message: Final = msgspec.json.Decoder(Message).decode
