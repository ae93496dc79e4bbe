"""What goes wrong: crashes at every point, refused commits, frozen workers, fencing, rebalances, at random times.

Rule of this room: only what can happen to a worker of a real Kafka, in an order in which it can; and it is counted.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from stream.engine.task import State
from stream.events import STREAMS
from tests.simulation.ledger import POINTS
from tests.simulation.log import Place
from tests.simulation.worker import Member, Worker
from tests.simulation.world import SETTINGS, World

_LIMITS: Final = (1, 7, 50, 500)
_CUTS: Final = (1, 20, 100, 400)
_MOST_WORKERS: Final = 3
#: How many turns go by between two faults, on average.
_PEACE: Final = 8


class Trouble:
    """Drives a world through a number of turns."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._chance = world.chance

    def run(self, turns: int) -> None:
        """Turns of work, with a fault now and then."""
        world, chance = self.world, self._chance
        for _ in range(chance.randint(1, _MOST_WORKERS)):
            world.join()
        world.rebalance()
        for _ in range(turns):
            if world.live and chance.random() < 0.3:
                world.bring(chance.randint(1, 150))
            if world.unrest and chance.random() < 0.15:
                self._rebalance()
            elif chance.random() * _PEACE < 1:
                self._fault()
            else:
                self._work()
        self._last_ones()

    def _last_ones(self) -> None:
        """Then nothing goes wrong any more; those who sleep are gone, or wake when others own what they had."""
        world, chance = self.world, self._chance
        asleep = [worker for worker in world.workers if worker.frozen]
        world.rebalance()
        for worker in asleep:
            if chance.random() < 0.5:
                self._crash(worker)
            else:
                self._wake(worker)

    def _pick(self) -> tuple[Worker, Member] | None:
        members = [(worker, member) for worker in self.world.awake for member in worker.members]
        return self._chance.choice(members) if members else None

    def _work(self) -> None:
        picked = self._pick()
        if picked is not None:
            worker, member = picked
            self.world.guard(worker, member, lambda: self._turn(member))

    def _turn(self, member: Member) -> None:
        """What a member may do next: records come at any time, the rest is done one after the other."""
        chance, kind = self._chance, self._chance.random()
        if kind < 0.5:
            for stream in chance.sample(range(len(STREAMS) + 1), chance.randint(1, len(STREAMS) + 1)):
                member.fetch(stream, chance.choice(_CUTS))
        if member.errand is not None:
            if chance.random() < 0.3:
                member.go_on()
            elif chance.random() < 0.8:
                member.finish()
        elif kind < 0.8:
            member.task.step(lambda stream: self._quiet(member, stream), chance.choice(_LIMITS))
        else:
            member.checkpoint()

    def _quiet(self, member: Member, stream: int) -> bool:
        """A stream that has been read to its end is waited for a while; one that has stuck, not for ever."""
        if member.at_end(stream):
            return self._chance.random() < 0.8
        return self.world.live and self._chance.random() < 0.02

    def _fault(self) -> None:
        chance = self._chance
        faults = (self._at_a_point, self._rebalance, self._join, self._wake_one, self._compact)
        chance.choices(faults, (10, 2, 1, 4, 1))[0]()

    def _rebalance(self) -> None:
        """Also: one who slept wakes, and commits once more when the new owners know the offsets, before they open."""
        world, chance = self.world, self._chance
        asleep = [worker for worker in world.workers if worker.frozen]
        world.rebalance()
        if not asleep or chance.random() < 0.5:
            return
        worker = chance.choice(asleep)
        self._wake(worker)
        for member in list(worker.members):
            world.guard(worker, member, partial(self._go_to, member, None))
            world.count("a former owner at work beside the next one")

    def _join(self) -> None:
        if len(self.world.workers) < _MOST_WORKERS:
            self.world.join()

    def _wake_one(self) -> None:
        asleep = [worker for worker in self.world.workers if worker.frozen]
        if asleep:
            self._wake(self._chance.choice(asleep))

    def _wake(self, worker: Worker) -> None:
        worker.frozen = False
        self.world.count("woken")

    def _compact(self) -> None:
        partition = self._chance.randrange(self.world.market.partitions)
        self.world.log.partitions[Place(SETTINGS.state_topic, partition)].compact()
        self.world.count("compaction")

    def _at_a_point(self) -> None:
        """Something befalls a member at a named point of a checkpoint, or wherever it is."""
        picked = self._pick()
        if picked is None:
            return
        worker, member = picked
        if member.task.state is State.RUNNING and self._chance.random() < 0.8:
            self.world.guard(worker, member, lambda: self._go_to(member, self._chance.choice(POINTS)))
        if member not in worker.members:
            return
        kind = self._chance.random()
        if kind < 0.4:
            self._crash(worker)
        elif kind < 0.55:
            self._refuse(worker, member)
        elif kind < 0.7:
            self._expire(member)
        elif kind < 0.95:
            worker.frozen = self.world.unrest = True
            self.world.count(f"frozen {_where(member)}")
        # else it has only come so far

    def _go_to(self, member: Member, point: str | None) -> None:
        """Have it do something, so that there is something to commit, and stop amid that."""
        member.finish()
        for stream in range(len(STREAMS) + 1):
            member.fetch(stream, self._chance.choice(_CUTS))
        member.task.step(lambda stream: self._quiet(member, stream), self._chance.choice(_LIMITS))
        member.to_point(point)

    def _crash(self, worker: Worker) -> None:
        """The process is gone, with all its members, wherever each of them was."""
        for member in worker.members:
            self.world.count(f"crash {_where(member)}")
            member.drop()
        self.world.workers.remove(worker)
        self.world.unrest = True

    def _refuse(self, worker: Worker, member: Member) -> None:
        """A request fails, or its answer is lost."""
        if member.errand is not None:
            self.world.count(f"refused {_where(member)}")
            self.world.guard(worker, member, lambda: member.go_on(ConnectionError()))

    def _expire(self, member: Member) -> None:
        """The coordinator gives up waiting for the end of a transaction."""
        producer = self.world.log.producers.get(member.ledger.name)
        if producer is not None and producer.transaction is not None and self.world.log.expire(member.ledger.name):
            self.world.count("transaction timed out")


def _where(member: Member) -> str:
    return "between" if member.errand is None else str(member.errand.at)
