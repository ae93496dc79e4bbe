"""The order in which one task reads its topics: by the time of the next events, and each topic in order of offsets.

Invariant: pure. A topic without records is waited for, unless it is idle, so that a backlog of several tables becomes
one sequence in order of time. What a record gives does not depend on when it is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from stream.bridge.changes import Ignored
from stream.bridge.mapping import Made
from stream.bridge.source_records import Source
from stream.intake.refusal import Refused
from stream.intake.schema_cache import SchemaId, SchemaNeeded

#: A record without events is passed over at once.
_AT_ONCE: Final = float("-inf")


class Mapped(NamedTuple):
    """A record, and what it gives: events, or why there is none."""

    source: Source
    outcome: list[Made] | Refused | Ignored

    @property
    def at(self) -> float:
        """The time of its first event, in epoch seconds."""
        return min((each.at for each in self.outcome), default=_AT_ONCE) if isinstance(self.outcome, list) else _AT_ONCE


class SourceMerge:
    """Merges the topics of a task.

    Args:
        topics: Their names; of two records with one time the one of the earlier topic comes first.
        events: From a record to its events; see `Mapping.events`.

    Attributes:
        inboxes: By topic, the records that are fetched and not taken.
        bytes_waiting: By topic, the size of their values.
        needed_schemas: By topic, the schema that its next record waits for.
    """

    def __init__(self, topics: Sequence[str], events: Callable[[Source], list[Made]]) -> None:
        self.inboxes: dict[str, deque[Source]] = {topic: deque() for topic in topics}
        self.bytes_waiting: dict[str, int] = dict.fromkeys(topics, 0)
        self.needed_schemas: dict[str, SchemaId] = {}
        self._events = events
        #: By topic, its first record and the time of its first event.
        self._heads: dict[str, tuple[float, Mapped]] = {}

    def put(self, source: Source) -> None:
        """Put a fetched record into its topic's inbox."""
        self.inboxes[source.topic].append(source)
        self.bytes_waiting[source.topic] += len(source.value or b"")

    def drop_below(self, topic: str, offset: int) -> None:
        """Drop the records of a topic below an offset: they are committed already."""
        inbox = self.inboxes[topic]
        while inbox and inbox[0].offset < offset:
            self._popped(topic)

    def _popped(self, topic: str) -> None:
        self.bytes_waiting[topic] -= len(self.inboxes[topic].popleft().value or b"")

    def take(self, idle: Callable[[str], bool], limit: int) -> list[Mapped]:
        """Return the next records in order.

        Args:
            idle: Whether a topic that has no record need not be waited for.
            limit: The most records to return.

        Returns:
            Fewer than `limit` if a topic or a schema has to be waited for, or nothing is left.
        """
        taken: list[Mapped] = []
        heads = self._heads
        while len(taken) < limit:
            for topic, inbox in self.inboxes.items():
                if topic in heads:
                    continue
                if inbox:
                    mapped = self._mapped(inbox[0])
                    if mapped is None:
                        return taken
                    heads[topic] = mapped.at, mapped
                elif not idle(topic):
                    return taken
            if not heads:
                return taken
            topic = min(heads, key=lambda each: heads[each][0])
            taken.append(heads.pop(topic)[1])
            self._popped(topic)
        return taken

    def _mapped(self, source: Source) -> Mapped | None:
        """Return what a record gives; None if its schema must be fetched first."""
        try:
            found: list[Made] | Refused | Ignored = self._events(source)
        except (Refused, Ignored) as outcome:
            found = outcome.with_traceback(None)
        except SchemaNeeded as needed:
            self.needed_schemas[source.topic] = needed.schema_id
            return None
        self.needed_schemas.pop(source.topic, None)
        return Mapped(source, found)
