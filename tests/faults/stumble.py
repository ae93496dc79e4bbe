"""A worker that is killed at a named point of a checkpoint: `python -m tests.faults.stumble POINT NTH`.

Rule of this room: the worker is the real one, and so is the kill; only the moment is chosen, at the producer's calls.
The NTH checkpoint with anything in it, of whatever task, is the last that it begins.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaProducer

#: The producer's call at which each point lies, and whether the worker dies after it or before.
POINTS: Final[dict[str, tuple[str, bool]]] = {
    "before begin": ("begin_transaction", False),
    "after rows": ("send_batch", True),
    "after alerts": ("send_offsets_to_transaction", False),
    "after offsets": ("send_offsets_to_transaction", True),
    "before commit": ("commit_transaction", False),
    "after commit": ("commit_transaction", True),
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Countdown:
    """Counts checkpoints; from the last on, the chosen call kills."""

    def __init__(self, point: str, nth: int) -> None:
        self._left = nth
        self._call, self._after = POINTS[point]
        for name in ("begin_transaction", self._call):
            setattr(AIOKafkaProducer, name, self._watched(name, getattr(AIOKafkaProducer, name)))

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(producer: AIOKafkaProducer, *args: Any, **kwargs: Any) -> Any:
            if name == "begin_transaction":
                self._left -= 1
            fatal = name == self._call and self._left <= 0
            if fatal and not self._after:
                # What was sent before is to be in Kafka, not in this process.
                await producer.flush()
                _die()
            result = await call(producer, *args, **kwargs)
            if fatal:
                await producer.flush()
                _die()
            return result

        return watched


def main(point: str, nth: int) -> None:
    """Be a worker, for a while."""
    _Countdown(point, nth)
    sys.argv = ["faust", "--quiet", "-A", "stream.app", "worker", "--loglevel", "warn"]
    runpy.run_module("faust", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
