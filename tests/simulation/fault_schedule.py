"""Random faults: crashes at every point, failed commits, frozen workers, fencing, rebalances.

Invariant: only faults that a worker of a real Kafka can meet, in an order that is possible there; each is counted.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from stream.contract.events import STREAMS
from stream.engine.task import TaskPhase
from tests.simulation.checkpoint_store import CHECKPOINT_POINTS
from tests.simulation.cluster import Cluster
from tests.simulation.kafka_troubles import KafkaTroubles
from tests.simulation.worker import SimulatedTaskRunner, Worker

#: Events that a task applies in one step.
_STEP_EVENTS: Final = (1, 7, 50, 500)
#: Records of one fetch.
_FETCH_RECORDS: Final = (1, 20, 100, 400)
#: As many as most markets have partitions or one more, so that some workers have none.
_MAX_WORKERS: Final = 4
#: Mean number of turns between two faults.
_TURNS_PER_FAULT: Final = 7


class FaultSchedule:
    """Drives a cluster through a number of turns."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._chance = cluster.chance
        self._troubles = KafkaTroubles(cluster)

    def run(self, turns: int) -> None:
        """Run turns of work with random faults among them."""
        cluster, chance = self.cluster, self._chance
        for _ in range(chance.randint(1, _MAX_WORKERS)):
            cluster.join()
        cluster.rebalance()
        for _ in range(turns):
            if cluster.live and chance.random() < 0.3:
                cluster.send(chance.randint(1, 150))
            if cluster.refused and chance.random() < 0.3:
                cluster.rebuild()
            elif cluster.rebalance_needed and chance.random() < 0.15:
                self._rebalance()
            elif chance.random() * _TURNS_PER_FAULT < 1:
                self._inject_fault()
            else:
                self._work()
        self._end_faults()

    def _end_faults(self) -> None:
        """After the last fault, each frozen worker crashes, or resumes when its partitions have other owners."""
        cluster, chance = self.cluster, self._chance
        frozen = [worker for worker in cluster.workers if worker.frozen]
        cluster.rebalance()
        for worker in frozen:
            if chance.random() < 0.5:
                self._crash(worker)
            else:
                self._resume(worker)

    def _pick(self) -> tuple[Worker, SimulatedTaskRunner] | None:
        runners = [(worker, runner) for worker in self.cluster.running_workers for runner in worker.runners]
        return self._chance.choice(runners) if runners else None

    def _work(self) -> None:
        picked = self._pick()
        if picked is not None:
            worker, runner = picked
            self.cluster.run_guarded(worker, runner, lambda: self._turn(runner))

    def _turn(self, runner: SimulatedTaskRunner) -> None:
        """Fetch at any time; otherwise continue the present operation, apply events or begin a checkpoint."""
        chance, kind = self._chance, self._chance.random()
        if kind < 0.5:
            for stream in chance.sample(range(len(STREAMS) + 1), chance.randint(1, len(STREAMS) + 1)):
                runner.fetch(stream, chance.choice(_FETCH_RECORDS))
        if runner.operation is not None:
            if chance.random() < 0.3:
                runner.advance()
            elif chance.random() < 0.8:
                runner.finish()
        elif kind < 0.6:
            runner.begin(runner.verify(chance.random() < 0.3))
        elif kind < 0.8:
            runner.finish()
            runner.begin(runner.verify(topic_ids=False))
            if runner.operation is not None:
                return
            runner.task.step(lambda stream: self._idle(runner, stream), chance.choice(_STEP_EVENTS))
        else:
            runner.checkpoint()

    def _idle(self, runner: SimulatedTaskRunner, stream: int) -> bool:
        """A stream at its end soon counts as idle; a live stream with unread records rarely does, as after a stall."""
        if runner.at_end(stream):
            return self._chance.random() < 0.8
        return self.cluster.live and self._chance.random() < 0.02

    def _inject_fault(self) -> None:
        chance = self._chance
        faults = (self._fail_at_point, self._rebalance, self._join, self._resume_one, self._troubles.inject)
        chance.choices(faults, (16, 2, 1, 4, 5))[0]()

    def _rebalance(self) -> None:
        """Rebalance; a frozen worker may resume then and commit once more, before the new owners open their stores.

        The new owners have already read the group's offsets.
        """
        cluster, chance = self.cluster, self._chance
        frozen = [worker for worker in cluster.workers if worker.frozen]
        cluster.rebalance()
        if not frozen or chance.random() < 0.5:
            return
        worker = chance.choice(frozen)
        self._resume(worker)
        for runner in list(worker.runners):
            cluster.run_guarded(worker, runner, partial(self._go_to, runner, None))
            cluster.count("a former owner runs beside the next one")

    def _join(self) -> None:
        if len(self.cluster.workers) < _MAX_WORKERS:
            self.cluster.join()

    def _resume_one(self) -> None:
        frozen = [worker for worker in self.cluster.workers if worker.frozen]
        if frozen:
            self._resume(self._chance.choice(frozen))

    def _resume(self, worker: Worker) -> None:
        worker.frozen = False
        self.cluster.count("resumed")

    def _fail_at_point(self) -> None:
        """Inject a fault at a named point of a task's checkpoint, or at its present point."""
        picked = self._pick()
        if picked is None:
            return
        worker, runner = picked
        if runner.task.phase is TaskPhase.RUNNING and self._chance.random() < 0.8:
            self.cluster.run_guarded(
                worker, runner, lambda: self._go_to(runner, self._chance.choice(CHECKPOINT_POINTS))
            )
        if runner not in worker.runners:
            return
        kind = self._chance.random()
        if kind < 0.4:
            self._crash(worker)
        elif kind < 0.55:
            self._fail_request(worker, runner)
        elif kind < 0.7:
            self._time_out(runner)
        elif kind < 0.95:
            worker.frozen = self.cluster.rebalance_needed = True
            self.cluster.count(f"frozen {_point(runner)}")
        # else: no fault, the task runner has only reached the point

    def _go_to(self, runner: SimulatedTaskRunner, point: str | None) -> None:
        """Fetch and apply events, so that there is something to commit; checkpoint until the point."""
        runner.finish()
        for stream in range(len(STREAMS) + 1):
            runner.fetch(stream, self._chance.choice(_FETCH_RECORDS))
        runner.begin(runner.verify(topic_ids=False))
        runner.finish()
        runner.task.step(lambda stream: self._idle(runner, stream), self._chance.choice(_STEP_EVENTS))
        runner.checkpoint_until(point)

    def _crash(self, worker: Worker) -> None:
        """The process ends with all its task runners, each at its present point."""
        for runner in worker.runners:
            self.cluster.count(f"crash {_point(runner)}")
        self.cluster.end(worker)

    def _fail_request(self, worker: Worker, runner: SimulatedTaskRunner) -> None:
        """A request fails, or its response is lost."""
        if runner.operation is not None:
            self.cluster.count(f"request failed {_point(runner)}")
            self.cluster.run_guarded(worker, runner, lambda: runner.advance(ConnectionError()))

    def _time_out(self, runner: SimulatedTaskRunner) -> None:
        """The coordinator times out an open transaction."""
        log, name = self.cluster.log, runner.store.transactional_id
        producer = log.producers.get(name)
        if producer is not None and producer.transaction is not None and log.fence(name):
            self.cluster.count("transaction timed out")


def _point(runner: SimulatedTaskRunner) -> str:
    return "between operations" if runner.operation is None else str(runner.operation.point)
