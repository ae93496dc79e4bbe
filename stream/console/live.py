"""Tells open pages what has changed: server-sent events.

Invariant: every queue is bounded. A page that does not keep up reads everything again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

_MAX_WAITING: Final = 64
#: A list is drawn again at most this often.
_EVERY_SECONDS: Final = 1.0
#: Proxies close a connection without traffic.
_KEEP_ALIVE_SECONDS: Final = 15.0
_MAX_PAGES: Final = 500


class TooManyPagesError(Exception):
    """More pages are open than the console serves."""


class Live:
    """Passes the ids of changed cases to all open pages."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pages: set[asyncio.Queue[str]] = set()
        self._ended = False

    @property
    def open_pages(self) -> int:
        """How many streams there are."""
        return len(self._pages)

    def begin(self) -> None:
        """Begin to pass changes on, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """End all streams, and those that begin later; may be called from any thread, and when a signal comes."""
        self._ended = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._end_pages)

    def _end_pages(self) -> None:
        for page in self._pages:
            _put(page, "")

    def changed(self, case_ids: Sequence[str]) -> None:
        """Report changed cases; may be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._pass_on, case_ids)

    def _pass_on(self, case_ids: Sequence[str]) -> None:
        names = case_ids if len(case_ids) < _MAX_WAITING else ["all"]
        for page in self._pages:
            for name in names:
                _put(page, name)

    async def stream(self) -> AsyncIterator[str]:
        """Yield server-sent events: `cases` if any case has changed, and `case-ID` for each that has.

        Raises:
            TooManyPagesError: Too many pages are open.
        """
        if len(self._pages) >= _MAX_PAGES:
            raise TooManyPagesError
        page: asyncio.Queue[str] = asyncio.Queue(_MAX_WAITING)
        self._pages.add(page)
        try:
            yield "retry: 2000\n\n"
            while not self._ended:
                try:
                    first = await asyncio.wait_for(page.get(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield ": \n\n"
                    continue
                names = {first}
                while not page.empty():
                    names.add(page.get_nowait())
                if "" in names:
                    return
                yield "".join(f"event: case-{name}\ndata: \n\n" for name in sorted(names))
                yield "event: cases\ndata: \n\n"
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            self._pages.discard(page)


def _put(page: asyncio.Queue[str], name: str) -> None:
    if page.full():
        while not page.empty():
            page.get_nowait()
        name = name and "all"
    page.put_nowait(name)
