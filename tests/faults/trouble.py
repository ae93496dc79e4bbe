"""What is done to workers and broker, and how long it took them to work again.

Rule of this room: whatever is done ends with somebody at work; how it is chosen is the seed's business.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Final

from stream.ops.broker import Broker
from tests.faults.stumble import POINTS
from tests.kafka.group import Group, Worker, wait

#: Frozen for longer than its session a worker is fenced, for less it goes on.
_FROZEN_SECONDS: Final = (2.0, 20.0)
_AWAY_SECONDS: Final = (1.0, 20.0)
_RECOVERY_SECONDS: Final = 120.0
MOST_WORKERS: Final = 3


class Trouble:
    """Faults in random order; `counts` and `recovered_seconds` tell of each what happened."""

    def __init__(self, seed: int, broker: Broker) -> None:
        self.counts: Counter[str] = Counter()
        self.recovered_seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._chance = random.Random(seed)
        self._broker = broker
        self._kinds: dict[str, Callable[[Group], None]] = {
            "worker killed": self._kill,
            "all workers killed": self._kill_all,
            "worker told to end": self._end,
            "worker joins": self._join,
            "worker frozen, and woken": self._freeze,
            **{f"worker killed {point}": partial(self._stumble, point) for point in POINTS},
            "broker killed, and started": lambda group: self._broker_away(self._broker.kill),
            "broker stopped, and started": lambda group: self._broker_away(self._broker.stop),
        }
        #: Kills are what matters most, and a broker that comes and goes takes its time.
        self._weights = (8, 3, 2, 3, 2, *[1] * len(POINTS), 1, 1)

    def strike(self, group: Group) -> None:
        """One fault, and the wait until events are applied again, or all are."""
        name = self._chance.choices(list(self._kinds), self._weights)[0]
        self._kinds[name](group)
        self.counts[name] += 1
        begun = time.monotonic()
        if not living(group):
            Worker(group)
        before = done(group)
        wait(lambda: done(group) != before or idle(group), _RECOVERY_SECONDS, f"nobody works after: {name}")
        self.recovered_seconds[name].append(time.monotonic() - begun)

    def pause(self) -> None:
        """Let them work for a moment."""
        time.sleep(self._chance.uniform(0.2, 4.0))

    def _any(self, group: Group) -> Worker | None:
        alive = living(group)
        return self._chance.choice(alive) if alive else None

    def _kill(self, group: Group) -> None:
        if worker := self._any(group):
            worker.kill()

    def _stumble(self, point: str, group: Group) -> None:
        """A worker of its own, so that the checkpoint is sure to come; it may find nothing left to do."""
        self._kill_all(group)
        worker = stumbling(group, point, self._chance.randint(1, 40))
        wait(
            lambda: worker.process.poll() is not None or idle(group), _RECOVERY_SECONDS, f"no checkpoint to die {point}"
        )
        worker.kill()

    def _kill_all(self, group: Group) -> None:
        for worker in living(group):
            worker.kill()

    def _end(self, group: Group) -> None:
        if worker := self._any(group):
            _end(worker)

    def _join(self, group: Group) -> None:
        if len(living(group)) < MOST_WORKERS:
            Worker(group)

    def _freeze(self, group: Group) -> None:
        if worker := self._any(group):
            worker.process.send_signal(signal.SIGSTOP)
            time.sleep(self._chance.uniform(*_FROZEN_SECONDS))
            worker.process.send_signal(signal.SIGCONT)

    def _broker_away(self, how: Callable[[], None]) -> None:
        how()
        time.sleep(self._chance.uniform(*_AWAY_SECONDS))
        self._broker.start()


def stumbling(group: Group, point: str, nth: int) -> Worker:
    """A worker that will be killed at that point of its nth checkpoint."""
    return Worker(group, program=[sys.executable, "-m", "tests.faults.stumble", point, str(nth)])


def end_all(group: Group) -> None:
    """Tell all that run to end."""
    for worker in living(group):
        _end(worker)


def _end(worker: Worker) -> None:
    # One that has only just begun does not listen to signals yet.
    begun = worker.answers()
    code = worker.stop()
    assert code == 0 or not begun, f"a worker that was told to end did so with {code}"


def living(group: Group) -> list[Worker]:
    """Workers that run."""
    return [worker for worker in group.workers if worker.process.poll() is None]


def done(group: Group) -> float:
    """What the living have done; it changes while anybody works."""
    return sum(worker.events() for worker in living(group))


def idle(group: Group) -> bool:
    """Whether the living have read all there is."""
    return any(worker.ready() and worker.lag() == 0 for worker in living(group))
