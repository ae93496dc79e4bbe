"""Workers: each owns some tasks, fetches for them, and drives them as `engine/crew.py` does.

Rule of this room: a member does one thing at a time, as its loop in the crew does; only records may come meanwhile. A
member that fails is dropped and never mended. What waits is driven by hand from point to point, without an event loop.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from functools import cache
from random import Random
from typing import Any, Final

from stream.config import Settings
from stream.engine.task import State, Task
from stream.events import STREAMS
from stream.intake.decode import Intake
from tests.simulation.ledger import SimulatedLedger
from tests.simulation.log import FencedError, Log, Place

#: What a task may raise, and its member ends thereby. Anything else is a finding.
FAILURES: Final = (FencedError, ConnectionError, CancelledError)


class Errand:
    """A coroutine on its way."""

    def __init__(self, coroutine: Coroutine[Any, None, Any]) -> None:
        self._coroutine = coroutine
        self.at: str | None = None
        self.go_on()

    def go_on(self, error: BaseException | None = None) -> bool:
        """On to the next point, or have something go wrong at this one; whether it is done."""
        try:
            self.at = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration:
            self.at = None
        return self.at is None

    def vanish(self) -> None:
        """Its process is no more."""
        self._coroutine.close()


def run_out(coroutine: Coroutine[Any, None, Any]) -> None:
    """Drive it to its end."""
    errand = Errand(coroutine)
    while errand.at is not None:
        errand.go_on()


class Member:
    """A task at work, with the positions of its consumer and what is not finished."""

    def __init__(self, task: Task, ledger: SimulatedLedger, log: Log, settings: Settings, committed: bool) -> None:
        self.task = task
        self.ledger = ledger
        self._log = log
        self._places = [Place(topic, task.partition) for topic in settings.read_topics]
        #: As the consumer learns them when the partition is assigned: before the task is restored.
        self._positions = [log.group.get(place, 0) for place in self._places]
        self._committed = committed
        self.errand: Errand | None = None
        self.begin(task.restore())

    def begin(self, coroutine: Coroutine[Any, None, Any]) -> None:
        errand = Errand(coroutine)
        self.errand = None if errand.at is None else errand

    def go_on(self, error: BaseException | None = None) -> None:
        """On to the errand's next point; raises one of FAILURES."""
        if self.errand is not None and self.errand.go_on(error):
            self.errand = None

    def finish(self) -> None:
        while self.errand is not None:
            self.go_on()

    def to_point(self, point: str | None) -> None:
        """Checkpoint up to this point, or to the end."""
        self.finish()
        self.checkpoint()
        while self.errand is not None and self.errand.at != point:
            self.go_on()

    def checkpoint(self) -> None:
        self.begin(self.task.checkpoint(lambda alert: alert))

    def fetch(self, stream: int, most: int) -> bool:
        """Hand on up to so many records; whether the position moved."""
        before = self._positions[stream]
        partition = self._log.partitions[self._places[stream]]
        records, self._positions[stream] = partition.fetch(before, most, self._committed or stream < len(STREAMS))
        if records:
            self.task.take(stream, list(records))
        return self._positions[stream] > before

    def at_end(self, stream: int) -> bool:
        return self._positions[stream] >= self._log.partitions[self._places[stream]].stable

    def drop(self) -> None:
        if self.errand is not None:
            self.errand.vanish()
            self.errand = None
        run_out(self.task.drop())


class Worker:
    """A process; one that is frozen does nothing, and does not know of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.members: list[Member] = []
        self.frozen = False


def revoke(members: list[Member], chance: Random, count: Callable[[str], None]) -> None:
    """What `Crew.revoke` does: a last checkpoint, if it comes to an end in time; then all are dropped."""
    for member in members:
        kind = chance.choices(("revoked", "revoked without a checkpoint", "revoked amid a checkpoint"), (6, 2, 2))[0]
        try:
            if kind == "revoked":
                member.to_point(None)
            elif kind == "revoked amid a checkpoint":
                if member.task.state is State.RUNNING and member.errand is None:
                    member.checkpoint()
                for _ in range(chance.randrange(7)):
                    member.go_on()
                if member.errand is not None:
                    member.go_on(CancelledError())
        except FencedError:
            kind = "fenced at a last checkpoint"
        except CancelledError:
            pass
        count(kind)
        member.drop()
    members.clear()


@cache
def intake(settings: Settings, partitions: int) -> Intake:
    """One for all: to look through the contract's types takes longer than many a task lives here."""
    return Intake(settings, partitions)


def new_member(
    settings: Settings, ledger: SimulatedLedger, partition: int, partitions: int, now: Callable[[], float],
    change: Callable[[Task], None], committed: bool,
) -> Member:  # fmt: skip
    """What `Crew.assign` makes; `change` may spoil the task."""
    task = Task(partition, settings, intake(settings, partitions), ledger, now)
    change(task)
    return Member(task, ledger, ledger.log, settings, committed)
