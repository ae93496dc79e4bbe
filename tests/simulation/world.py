"""The workers of a group over one log, as far as nothing goes wrong: who owns what, and turns of work.

Rule of this room: all chance comes from one `random.Random`, all time from `now`; so the same seed is the same run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from stream.config import Settings
from stream.engine.task import Task
from stream.events import STREAMS
from tests.simulation.feed import Feed
from tests.simulation.ledger import SimulatedLedger
from tests.simulation.log import Log
from tests.simulation.markets import Market
from tests.simulation.worker import FAILURES, Member, Worker, new_member, revoke

#: A generous budget of false alarms: small markets then have alerts, too.
SETTINGS: Final = Settings(app_id="simulated", alert_budget=1000)
_EVIDENCE: Final = len(STREAMS)
#: Rounds of all members in which a run must come to its end once nothing goes wrong any more.
ROUNDS: Final = 300


@dataclass(frozen=True)
class Parts:
    """What a world is made of; to put a broken one in place of one shows what the simulation sees."""

    log: type[Log] = Log
    ledger: type[SimulatedLedger] = SimulatedLedger
    change: Callable[[Task], None] = lambda _: None
    #: Whether what tasks tell each other is read committed.
    committed: bool = True


class World:
    """Workers, their log and its feed. A live feed goes on while they work, else all is there before."""

    def __init__(self, market: Market, chance: Random, live: bool, parts: Parts) -> None:
        self.market = market
        self.chance = chance
        self.live = live
        self.parts = parts
        self.log = parts.log()
        self.feed = Feed(market, self.log, SETTINGS, chance)
        self.workers: list[Worker] = []
        self.counts: Counter[str] = Counter()
        self.now = market.over
        #: Whether the group is to be asked for a new assignment.
        self.unrest = False
        self._born = 0
        self._fill()

    def _fill(self) -> None:
        self.log.now = self.now
        self.feed.share_topic()
        if self.live:
            self.now = min(one.at for one in self.market.sent)
        else:
            while not self.feed.over:
                self.feed.bring(self.chance.randint(1, 200))

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def bring(self, most: int) -> None:
        """A live feed goes on, and time with it; after its end all days are past."""
        if self.feed.over:
            self.now = self.log.now = self.market.over
        else:
            self.feed.bring(most)
            self.now = self.log.now = max(self.now, self.feed.latest)

    @property
    def awake(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.frozen]

    def join(self) -> None:
        """One more worker."""
        self._born += 1
        self.workers.append(Worker(self._born))
        self.unrest = True

    def rebalance(self) -> None:
        """All who answer give up what they have, and share all partitions anew."""
        if not self.awake:
            self.join()
        for worker in self.awake:
            revoke(worker.members, self.chance, self.count)
        self.unrest = False
        self.count("rebalance")
        for partition in range(self.market.partitions):
            self.chance.choice(self.awake).members.append(self._member(partition))

    def _member(self, partition: int) -> Member:
        parts, partitions = self.parts, self.market.partitions
        ledger = parts.ledger(self.log, SETTINGS, partition, partitions)
        return new_member(SETTINGS, ledger, partition, partitions, lambda: self.now, parts.change, parts.committed)

    def guard(self, worker: Worker, member: Member, work: Callable[[], object]) -> None:
        """Have it work; a failure ends it, and the group is asked again."""
        try:
            work()
        except FAILURES as error:
            self.count(f"failed by {type(error).__name__}")
            if member in worker.members:
                worker.members.remove(member)
            member.drop()
            self.unrest = True

    def calm(self) -> int | None:
        """Work without faults until nothing moves; the number of rounds, None where it does not end."""
        for number in range(ROUNDS):
            moved = self.live and self.now < self.market.over
            if self.live:
                self.bring(self.chance.randint(50, 400))
            before = self.log.appended
            for worker in self.workers:
                for member in list(worker.members):
                    moved |= self._round(worker, member)
            if not moved and self.log.appended == before:
                return number
        return None

    def _round(self, worker: Worker, member: Member) -> bool:
        moved = False

        def work() -> None:
            nonlocal moved
            member.finish()
            for stream in range(_EVIDENCE + 1):
                moved |= member.fetch(stream, 500)
            moved |= member.task.step(member.at_end, 500) > 0
            member.to_point(None)

        self.guard(worker, member, work)
        return moved
