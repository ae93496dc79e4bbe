"""The workers of a group over one log, without faults: assignment of partitions, and work.

Invariant: all randomness comes from one `random.Random` and all time from `now`, so a seed always gives the same run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from aiokafka import TopicPartition

from stream.contract.events import STREAMS
from stream.core.model.encoding import decode
from stream.engine.checkpoint import POSITION, PositionRow
from stream.engine.log_check import Gap, LogError
from stream.engine.task import Task
from tests.simulation.checkpoint_store import SimulatedCheckpointStore
from tests.simulation.feed import Feed
from tests.simulation.input_markets import SETTINGS, InputMarket, InputRecord
from tests.simulation.kafka_log import Log
from tests.simulation.worker import FAILURES, Reports, SimulatedTaskRunner, Worker, new_runner, revoke

_EVIDENCE: Final = len(STREAMS)
#: A run without further faults must finish within this number of rounds over all tasks.
MAX_ROUNDS: Final = 300


@dataclass(frozen=True)
class Variant:
    """The parts of a cluster; a faulty part shows which faults the simulation detects."""

    log: type[Log] = Log
    store: type[SimulatedCheckpointStore] = SimulatedCheckpointStore
    #: Changes each new task.
    change: Callable[[Task], None] = lambda _: None
    #: Whether tasks read the messages of other tasks with read_committed.
    read_committed: bool = True
    #: The only trouble of Kafka; None: a choice by seed.
    trouble: str | None = None


class Cluster:
    """Workers, their log and its feed.

    A live feed sends records while the workers run; a backlog is complete before the first worker starts.
    """

    def __init__(self, market: InputMarket, chance: Random, live: bool, variant: Variant) -> None:
        self.market = market
        self.chance = chance
        self.live = live
        self.variant = variant
        self.log = variant.log()
        self.feed = Feed(market, self.log, SETTINGS, chance)
        self.workers: list[Worker] = []
        #: How often each fault and each reaction occurred.
        self.counts: Counter[str] = Counter()
        #: Simulated time, epoch seconds.
        self.now = market.end
        #: Whether a worker has joined, failed or left since the last rebalance.
        self.rebalance_needed = False
        #: Whether a topic was created again since the last rebuild: only then a worker may refuse to continue.
        self.created_again = False
        #: Whether a worker has refused to continue since the last rebuild.
        self.refused = False
        #: By partition, the first offset that the present state can know, and the offsets reported as expired since.
        self.began_at: dict[TopicPartition, int] = {}
        self.expired: defaultdict[TopicPartition, set[int]] = defaultdict(set)
        #: By partition, the first offset of what tasks have written since the last rebuild.
        self.written_since: dict[TopicPartition, int] = {}
        self._workers_started = 0
        self._start_feed()

    def _start_feed(self) -> None:
        self.log.now = self.now
        self.feed.add_foreign_messages()
        if self.live:
            self.now = min(record.at for record in self.market.records)
        else:
            while not self.feed.finished:
                self.feed.send(self.chance.randint(1, 200))

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def send(self, max_records: int) -> None:
        """Continue the live feed and advance the time; after the feed's end, advance it past all days."""
        if self.feed.finished:
            self.now = self.log.now = self.market.end
        else:
            self.feed.send(max_records)
            self.now = self.log.now = max(self.now, self.feed.latest)

    @property
    def running_workers(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.frozen]

    def join(self) -> None:
        """Start one more worker."""
        self._workers_started += 1
        self.workers.append(Worker(self._workers_started, SETTINGS))
        self.rebalance_needed = True

    def rebalance(self) -> None:
        """Revoke the tasks of all running workers and assign all partitions anew."""
        if not self.running_workers:
            self.join()
        for worker in self.running_workers:
            revoke(worker.runners, self.chance, self.count)
        self.rebalance_needed = False
        self.count("rebalance")
        for partition in range(self.market.partition_count):
            worker = self.chance.choice(self.running_workers)
            worker.runners.append(self._runner(worker, partition))

    def _runner(self, worker: Worker, partition: int) -> SimulatedTaskRunner:
        variant, partition_count = self.variant, self.market.partition_count
        store = variant.store(self.log, SETTINGS, partition, partition_count, worker.limits)
        return new_runner(
            SETTINGS, store, partition, partition_count, lambda: self.now, variant.change, variant.read_committed,
            Reports(self.began_at.update, self._report),
        )  # fmt: skip

    def _report(self, gap: Gap) -> None:
        self.expired[TopicPartition(gap.topic, gap.partition)].update(range(gap.first, gap.last))
        self.count("expired records reported")

    def rebuild(self) -> None:
        """Do what `volteface state rebuild` does, while no worker runs."""
        for worker in self.workers:
            for runner in worker.runners:
                runner.drop()
        self.workers.clear()
        log, count = self.log, range(self.market.partition_count)
        for number in count:
            log.fence(f"{SETTINGS.app_id}-{number}")
            for topic in SETTINGS.input_topics:
                log.group_offsets[TopicPartition(topic, number)] = 0
            evidence = TopicPartition(SETTINGS.evidence_topic, number)
            log.group_offsets[evidence] = len(log.partitions[evidence].records)
            state = TopicPartition(SETTINGS.state_topic, number)
            for key in {record.key for record in log.partitions[state].committed()}:
                log.append(state, key, None)
        self.written_since = {tp: len(partition.records) for tp, partition in log.partitions.items()}
        self.expired.clear()
        self.feed.add_foreign_messages()
        self.created_again = self.refused = False
        self.count("rebuild")
        self.join()

    def create_again(self, topic: str) -> None:
        """Delete a topic and create it again. Kafka deletes the group's offsets of a deleted topic."""
        self.log.create_again(topic)
        for tp in [tp for tp in self.log.group_offsets if tp.topic == topic]:
            del self.log.group_offsets[tp]
        for known in (self.began_at, self.expired):
            for tp in [tp for tp in known if tp.topic == topic]:
                del known[tp]
        self.created_again = True
        self.count("topic created again")

    def state_offsets(self, partition: int) -> list[int] | None:
        """Return the offset of each topic in the task's committed state; None if it has none."""
        records = self.log.partitions[TopicPartition(SETTINGS.state_topic, partition)].committed()
        last = next((record for record in reversed(records) if record.key == POSITION), None)
        if last is None or last.value is None:
            return None
        row = decode(last.value, PositionRow)
        return [*(low_offset for low_offset, _ in row.streams), row.evidence]

    def processed_records(self) -> list[InputRecord]:
        """Return the input records that the present state must have processed: all but those that have expired."""
        found = []
        for stream, topic in enumerate(SETTINGS.input_topics):
            for number in range(self.market.partition_count):
                tp = TopicPartition(topic, number)
                found += [
                    InputRecord(self.now, stream, number, record.key, record.value)
                    for record in self.log.partitions[tp].committed()
                    if record.offset >= self.began_at.get(tp, 0) and record.offset not in self.expired[tp]
                ]
        return found

    def run_guarded(self, worker: Worker, runner: SimulatedTaskRunner, work: Callable[[], object]) -> None:
        """Run `work`, unless the worker has ended; if it fails, drop the task runner and require a rebalance."""
        if runner not in worker.runners:
            return
        try:
            work()
        except FAILURES as error:
            self.count(f"failed by {type(error).__name__}")
            if runner in worker.runners:
                worker.runners.remove(runner)
            runner.drop()
            self.rebalance_needed = True
        except LogError:
            if not self.created_again:
                raise
            self.count("a worker refuses a topic that was created again")
            self.refused = self.rebalance_needed = True
            self.end(worker)

    def end(self, worker: Worker) -> None:
        """The process ends with all its task runners, each at its present point."""
        for runner in worker.runners:
            runner.drop()
        worker.runners.clear()
        self.workers.remove(worker)
        self.rebalance_needed = True

    def run_until_idle(self) -> int | None:
        """Run without faults until no record is read or written; return the number of rounds, None if it never ends."""
        for number in range(MAX_ROUNDS):
            progress = self.live and self.now < self.market.end
            if self.live:
                self.send(self.chance.randint(50, 400))
            if self.refused:
                self.rebuild()
            if self.rebalance_needed:
                self.rebalance()
                progress = True
            before = self.log.appended
            for worker in list(self.workers):
                for runner in list(worker.runners):
                    progress |= self._round(worker, runner)
            progress |= self.rebalance_needed
            if not progress and self.log.appended == before:
                return number
        return None

    def _round(self, worker: Worker, runner: SimulatedTaskRunner) -> bool:
        progress = False

        def work() -> None:
            nonlocal progress
            runner.finish()
            for stream in range(_EVIDENCE + 1):
                progress |= runner.fetch(stream, 500)
            runner.begin(runner.verify(topic_ids=True))
            runner.finish()
            progress |= runner.task.step(runner.at_end, 500) > 0
            runner.checkpoint_until(None)

        self.run_guarded(worker, runner, work)
        return progress
