"""Garbage collection in a process that holds the state of tasks."""

from __future__ import annotations

import gc
from typing import Final

_COLLECT_EVERY: Final = 50_000


def collect_less_often() -> None:
    """Collect only after _COLLECT_EVERY new objects, and never scan the objects that exist now.

    Reviews stay for months and are in no reference cycle: with Python's own threshold of 700 a worker spent a tenth of
    its time on scanning them. Cycles of clients and exceptions are still collected.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def collect_now() -> None:
    """Free the memory of dropped tasks: the parts of a task refer to each other, so only the collector frees them."""
    gc.collect()
