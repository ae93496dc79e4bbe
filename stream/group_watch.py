"""The worker's look at its group when tasks lack partitions: who has them, and how many records wait meanwhile.

Invariant: it only reads, and writes one line for each assignment. A consumer that is no worker is named whether it has
some or all partitions of a task.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from stream.config import KafkaSettings, Settings
from stream.engine.assigned_tasks import AssignedTasks
from stream.engine.deciding_settings import deciding_settings, described_differences
from stream.engine.group_members import Member, members_of
from stream.engine.group_offsets import Unread, unread_of

log = structlog.get_logger()

#: The longest time that the line waits for Kafka's answer, and the time between two questions.
_ANSWER_SECONDS: Final = 5
_AGAIN_SECONDS: Final = 0.5
#: The most members that the line names.
_MAX_NAMED: Final = 5
#: How often the records of tasks that do not run are counted.
MEASURE_SECONDS: Final = 15

Partition = tuple[str, int]


class GroupWatch:
    """Reports the partitions that tasks lack.

    Args:
        settings, kafka: All settings.
        report_foreign: Receives the number of tasks with partitions of members that are no workers.

    Attributes:
        lag_records: Of the tasks that do not run, as far as this worker knows them: the records that are not applied,
            by topic.
    """

    def __init__(self, settings: Settings, kafka: KafkaSettings, report_foreign: Callable[[int], None]) -> None:
        self.lag_records: Mapping[int, Mapping[str, int]] = {}
        self._settings = settings
        self._kafka = kafka
        self._report_foreign = report_foreign
        self._tasks: AssignedTasks | None = None
        self._stopped: frozenset[int] = frozenset()
        #: The smallest offsets of the group since a task has stopped: another member commits its own.
        self._offsets: dict[Partition, int] = {}

    def assigned(self, tasks: AssignedTasks) -> None:
        """Note a new assignment; what was known of the former one is forgotten."""
        self._tasks = tasks
        self._stopped = frozenset(tasks.incomplete)
        self._offsets = {tp: offset for tp, offset in self._offsets.items() if tp[1] in self._stopped}
        self.lag_records = {number: lag for number, lag in self.lag_records.items() if number in self._stopped}
        self._report_foreign(0)

    async def report(self, tasks: AssignedTasks, count: int) -> bool:
        """Write which partitions are missing, and who has them.

        Args:
            tasks: The present assignment of this worker.
            count: The number of tasks of the group.

        Returns:
            Whether it is known that no member has them: the group has then assigned by old metadata.
        """
        members, unknown = await self._members()
        if tasks is not self._tasks:  # the group has assigned again
            return False
        others = self._others(members)
        held = {tp for member in others for tp in self._of_tasks(member, count) if tp[1] not in tasks.whole}
        foreign = {number for _, number in held}
        self._report_foreign(len(foreign))
        self._stopped = frozenset(tasks.incomplete | foreign)
        if not self._stopped:
            return False
        missing = {(topic, number) for topic, numbers in tasks.missing.items() for number in numbers}
        nobody = bool(members) and not any(member.assigned & (missing | held) for member in members)
        blamed = others or [member for member in members if member.assigned & missing]
        lacking = _by_topic(missing | held)
        who = "; no member of the group has them" if nobody else "; another member of the group has them"
        log.error(
            "partitions_missing",
            tasks=sorted(self._stopped),
            missing=lacking,
            reason=f"these tasks do not run: they lack partitions of {_listed(lacking)}{who}"
            + (f": {_listed(map(_named, blamed[:_MAX_NAMED]))}" if blamed else "" if nobody else unknown),
            advice=f"{advice(self._settings, blamed)}; the tasks go on from their last checkpoint when the "
            "partitions are assigned to a worker again",
        )
        await self.measure()
        return nobody

    async def measure(self) -> None:
        """Count the records that wait for tasks that do not run."""
        tasks, stopped = self._tasks, self._stopped
        if not stopped:
            return
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                found = await unread_of(
                    self._kafka, self._settings.app_id, product(self._settings.input_topics, sorted(stopped))
                )
        except (KafkaError, OSError):  # Kafka is away: the last numbers stay
            return
        if tasks is self._tasks:
            lag: defaultdict[int, dict[str, int]] = defaultdict(dict)
            for (topic, number), unread in found.items():
                lag[number][topic] = self._unapplied(topic, number, unread)
            self.lag_records = lag

    def _unapplied(self, topic: str, number: int, unread: Unread) -> int:
        offset = min(unread.committed, self._offsets.get((topic, number), unread.committed))
        self._offsets[topic, number] = offset
        return max(0, unread.end - max(offset, unread.beginning))

    async def _members(self) -> tuple[list[Member], str]:
        """Return the group's members; none, and why, if Kafka does not say them."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while True:
                    members = await members_of(self._kafka, self._settings.app_id)
                    if members:
                        return members, ""
                    await asyncio.sleep(_AGAIN_SECONDS)  # the group changes
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            return [], f": Kafka did not say which ({type(error).__name__})"

    def _others(self, members: Sequence[Member]) -> list[Member]:
        """Return the members that are no workers and read topics of the tasks."""
        topics = frozenset(self._settings.read_topics)
        return [member for member in members if member.settings is None and member.subscribed & topics]

    def _of_tasks(self, member: Member, count: int) -> list[Partition]:
        """Return the partitions of a member that belong to tasks."""
        return [tp for tp in member.assigned if tp[0] in self._settings.read_topics and tp[1] < count]


def advice(settings: Settings, blamed: Sequence[Member]) -> str:
    """Return what to do about members that have partitions of a worker's tasks.

    Args:
        settings: Those of the worker.
        blamed: The members; none if they are unknown.
    """
    if not blamed or any(member.settings is None for member in blamed):
        return f"give consumers that are no workers another group id than {settings.app_id}"
    own = deciding_settings(settings)
    different = {described_differences(member.settings or {}, own): member for member in blamed}
    named = [f"the worker of {_named(member)} has {text}" for text, member in different.items() if text]
    if not named:
        return f"{_listed(map(_named, blamed))}: a worker with the same settings; start it again if this stays"
    return f"give all workers of group {settings.app_id} the same settings: {_listed(named)}"


def _by_topic(partitions: Iterable[Partition]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for topic, number in sorted(partitions):
        found[topic].append(number)
    return dict(found)


def _named(member: Member) -> str:
    return f"client {member.client} on host {member.host}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
