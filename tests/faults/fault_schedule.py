"""Random faults of workers and broker, and the time until events are applied again.

Invariant: after each fault at least one worker runs; the seed alone determines the choice of the faults.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from stream.ops.broker import Broker
from tests.faults.checkpoint_kill import POINTS
from tests.kafka.group import Group, Worker, wait

#: A worker frozen for longer than its session timeout is fenced; otherwise it continues.
_FROZEN_SECONDS: Final = (2.0, 20.0)
_BROKER_DOWN_SECONDS: Final = (1.0, 20.0)
_RECOVERY_SECONDS: Final = 120.0
#: How often a trouble of the round is chosen, in comparison with the weights of `FaultSchedule`.
_TROUBLE_WEIGHT: Final = 4


class FaultSchedule:
    """Faults in random order.

    Attributes:
        counts: How often each kind of fault was injected.
        recovery_seconds: By kind, the seconds until events were applied again.
        max_workers: The most workers that run at a time.
    """

    def __init__(self, seed: int, broker: Broker) -> None:
        self.counts: Counter[str] = Counter()
        self.recovery_seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.max_workers = 3
        self._chance = random.Random(seed)
        self._broker = broker
        self._kinds: dict[str, Callable[[Group], None]] = {
            "worker killed": self._kill,
            "all workers killed": self._kill_all,
            "worker stopped": self._stop,
            "worker joins": self._join,
            "worker frozen, and resumed": self._freeze,
            **{f"worker killed {point}": partial(self._kill_at_point, point) for point in POINTS},
            "broker killed, and started": lambda group: self._restart_broker(self._broker.kill),
            "broker stopped, and started": lambda group: self._restart_broker(self._broker.stop),
        }
        #: Kills test the guarantee most directly; a broker's restart takes long, so it is rare.
        self._weights = (8, 3, 2, 3, 2, *[1] * len(POINTS), 1, 1)

    def inject(self, group: Group, troubles: Mapping[str, Callable[[], None]]) -> None:
        """Inject a fault or one of these troubles; see `run`."""
        weights = (*self._weights, *[_TROUBLE_WEIGHT] * len(troubles))
        name = self._chance.choices([*self._kinds, *troubles], weights)[0]
        self.run(group, name, troubles[name] if name in troubles else partial(self._kinds[name], group))

    def run(self, group: Group, name: str, fault: Callable[[], None]) -> None:
        """Inject a fault, and wait until events are applied again or all records are read."""
        fault()
        self.counts[name] += 1
        started = time.monotonic()
        before = events_done(group)

        def applied() -> bool:
            # As a supervisor does: a worker may also end by itself some time after the fault.
            if not running_workers(group):
                Worker(group)
            return events_done(group) != before or is_idle(group)

        wait(applied, _RECOVERY_SECONDS, f"no event is applied after: {name}")
        self.recovery_seconds[name].append(time.monotonic() - started)

    def pause(self) -> None:
        """Let the workers run for a random time."""
        time.sleep(self._chance.uniform(0.2, 4.0))

    def _random_worker(self, group: Group) -> Worker | None:
        running = running_workers(group)
        return self._chance.choice(running) if running else None

    def _kill(self, group: Group) -> None:
        if worker := self._random_worker(group):
            worker.kill()

    def _kill_at_point(self, point: str, group: Group) -> None:
        """Kill all workers and start one that kills itself at the point; it may find no events left to apply."""
        self._kill_all(group)
        worker = self_killing_worker(group, point, self._chance.randint(1, 40))
        wait(
            lambda: worker.process.poll() is not None or is_idle(group),
            _RECOVERY_SECONDS,
            f"no checkpoint came {point}",
        )
        worker.kill()

    def _kill_all(self, group: Group) -> None:
        for worker in running_workers(group):
            worker.kill()

    def _stop(self, group: Group) -> None:
        if worker := self._random_worker(group):
            _stop(worker)

    def _join(self, group: Group) -> None:
        if len(running_workers(group)) < self.max_workers:
            Worker(group)

    def _freeze(self, group: Group) -> None:
        if worker := self._random_worker(group):
            worker.process.send_signal(signal.SIGSTOP)
            time.sleep(self._chance.uniform(*_FROZEN_SECONDS))
            worker.process.send_signal(signal.SIGCONT)

    def _restart_broker(self, end: Callable[[], None]) -> None:
        end()
        time.sleep(self._chance.uniform(*_BROKER_DOWN_SECONDS))
        self._broker.start()


def self_killing_worker(group: Group, point: str, nth: int) -> Worker:
    """Start a worker that kills itself at that point of its nth checkpoint."""
    return Worker(group, program=[sys.executable, "-m", "tests.faults.checkpoint_kill", point, str(nth)])


def stop_all(group: Group) -> None:
    """Stop all running workers."""
    for worker in running_workers(group):
        _stop(worker)


def _stop(worker: Worker) -> None:
    # A worker handles signals only some time after its start, so before that its exit code may differ.
    started = worker.serves_http()
    code = worker.stop()
    assert code == 0 or not started, f"a stopped worker ended with exit code {code}"


def running_workers(group: Group) -> list[Worker]:
    """Return the workers whose process runs."""
    return [worker for worker in group.workers if worker.process.poll() is None]


def events_done(group: Group) -> float:
    """Return the number of events that the running workers have done; it changes while any worker applies events."""
    return sum(worker.events() for worker in running_workers(group))


def is_idle(group: Group) -> bool:
    """Return whether a running worker is ready and has no lag."""
    return any(worker.ready() and worker.lag() == 0 for worker in running_workers(group))
