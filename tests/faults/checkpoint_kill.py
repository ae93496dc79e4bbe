"""A worker that kills itself at a named point of a checkpoint: `python -m tests.faults.checkpoint_kill POINT NTH`.

Invariant: the worker and the kill are real; only the moment is chosen, at a call of the producer. The worker counts the
checkpoints of all its tasks that write anything; the NTH is the last one that it begins.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaProducer

#: The producer's method at which each point lies, and whether the kill comes after the call (True) or before it.
POINTS: Final[dict[str, tuple[str, bool]]] = {
    "before begin": ("begin_transaction", False),
    "after rows": ("send_batch", True),
    "after alerts": ("send_offsets_to_transaction", False),
    "after offsets": ("send_offsets_to_transaction", True),
    "before commit": ("commit_transaction", False),
    "after commit": ("commit_transaction", True),
}


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Countdown:
    """Counts checkpoints; from the NTH on, the chosen call kills the process."""

    def __init__(self, point: str, nth: int) -> None:
        self._remaining = nth
        self._method, self._after = POINTS[point]
        for name in ("begin_transaction", self._method):
            setattr(AIOKafkaProducer, name, self._patched(name, getattr(AIOKafkaProducer, name)))

    def _patched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def patched(producer: AIOKafkaProducer, *args: Any, **kwargs: Any) -> Any:
            if name == "begin_transaction":
                self._remaining -= 1
            fatal = name == self._method and self._remaining <= 0
            if fatal and not self._after:
                # Earlier records must have reached Kafka before the process ends.
                await producer.flush()
                _kill()
            result = await method(producer, *args, **kwargs)
            if fatal:
                await producer.flush()
                _kill()
            return result

        return patched


def main(point: str, nth: int) -> None:
    """Run a worker until its NTH checkpoint."""
    _Countdown(point, nth)
    sys.argv = ["faust", "--quiet", "-A", "stream.app", "worker", "--loglevel", "warn"]
    runpy.run_module("faust", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
