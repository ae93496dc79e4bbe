"""When Python looks for garbage in a process that holds the state of tasks."""

from __future__ import annotations

import gc
from typing import Final

_COLLECT_EVERY: Final = 50_000


def collect_less_often() -> None:
    """Let the collector begin only after so many new objects, and never look at what is there by now.

    Reviews are held for months, and none is part of a cycle: at Python's own threshold of 700 a tenth of a worker's
    time went into looking through them. What does make cycles (clients, exceptions) is still collected.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def collect_now() -> None:
    """Give back what dropped tasks held: parts of a task know each other, so only the collector can let it go."""
    gc.collect()
