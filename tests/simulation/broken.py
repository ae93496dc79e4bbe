"""Worlds with one thing broken each, to see that a seed tells.

Rule of this room: what is broken is broken here, by a part put in the place of a sound one; the product stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from stream.engine.records import Checkpoint, Record
from stream.engine.task import Task
from tests.simulation.ledger import SimulatedLedger
from tests.simulation.log import FencedError, Log, Place, Producer, Rows
from tests.simulation.world import SETTINGS, Parts


class EarlyOffsets(SimulatedLedger):
    """The group's offsets are committed by themselves, before the transaction."""

    async def commit(self, checkpoint: Checkpoint) -> None:
        self.log.group.update(self.offsets(checkpoint))
        await super().commit(checkpoint)


class LateOffsets(SimulatedLedger):
    """They are committed by themselves, after the transaction."""

    def offsets(self, checkpoint: Checkpoint) -> dict[Place, int]:
        return {}

    async def committed(self, checkpoint: Checkpoint) -> None:
        await super().committed(checkpoint)
        self.log.group.update(super().offsets(checkpoint))


class Unfenced(Log):
    """What a former owner has open is aborted, but it may begin again."""

    def open(self, name: str) -> Producer:
        former = self.producers.get(name)
        if former is not None and former.transaction is not None:
            former.abort()
        self.producers[name] = Producer(self)
        return self.producers[name]


class Rash(SimulatedLedger):
    """A restore reads what is not committed."""

    def fetch(self, offset: int, committed: bool = True) -> tuple[Rows, int] | None:
        return super().fetch(offset, committed=False)


class Gossip(SimulatedLedger):
    """What tasks tell each other goes out at once, whatever becomes of the transaction."""

    def tell(self, record: Record) -> None:
        if record.topic != SETTINGS.evidence_topic:
            super().tell(record)
        elif self.producer.fenced:
            raise FencedError
        else:
            self.log.append(self.place_of(record), record.key, record.value, tuple(record.headers))


class Hasty:
    """In the place of a task's merge: it takes events ahead of what the readers of evidence have to say."""

    def __init__(self, merge: Any) -> None:
        self._merge = merge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._merge, name)

    def take(self, quiet: Callable[[int], bool], limit: int, _: float) -> Any:
        return self._merge.take(quiet, limit, math.inf)


def hurry(task: Task) -> None:
    """Have the task not wait."""
    merge: Any = Hasty(task.merge)
    task.merge = merge


#: Each with the scenario that shows it (None: any), and the number of seeds within which it must.
BROKEN: Final[dict[str, tuple[Parts, str | None, int]]] = {
    "offsets before the transaction": (Parts(ledger=EarlyOffsets), None, 20),
    "a former owner is not fenced": (Parts(log=Unfenced), None, 20),
    "a restore reads what is not committed": (Parts(ledger=Rash), None, 20),
    "reports outside of the transaction": (Parts(ledger=Gossip), "access", 20),
    "reports are read before they are committed": (Parts(committed=False), "access", 20),
    "nobody waits for news of accusations": (Parts(change=hurry), "accused", 20),
}
#: Not broken at all: a task goes by the positions among its rows; the group's offsets are only where reading begins.
HARMLESS: Final = Parts(ledger=LateOffsets)
