"""Ends a coroutine at a signal, and reports how much of its work was done.

Invariant: one cancellation and one report, however many signals come and wherever the coroutine is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

#: Returns a context in which a signal calls the argument, in place of raising KeyboardInterrupt.
Interruptible = Callable[[Callable[[], object]], AbstractContextManager[None]]


class Interruption:
    """Ends one coroutine.

    Args:
        report: Called with the amount of work that was done.
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._reported = self._requested = False
        self._done: Callable[[], int] = lambda: 0
        self._cancel: Callable[[], object] | None = None

    def bind(self, done: Callable[[], int]) -> None:
        """Let a request end the present coroutine; `done` returns the amount of work so far."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._done = done
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._requested:
            self._cancel()

    def request(self) -> None:
        """End the coroutine; a signal's handler may call this."""
        again, self._requested = self._requested, True
        if self._cancel is not None and not again:
            self._cancel()

    def report(self) -> None:
        """Report, unless that was done."""
        if not self._reported:
            self._reported = True
            self._report(self._done())
