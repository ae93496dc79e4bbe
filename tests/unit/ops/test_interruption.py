"""A signal ends a coroutine once, with one report of what was done."""

from __future__ import annotations

import asyncio

import pytest

from stream.ops.interruption import Interruption


@pytest.mark.parametrize("early", [True, False])
def test_a_request_ends_the_coroutine_once_with_one_report(early: bool) -> None:
    reports: list[int] = []
    end = Interruption(reports.append)

    async def work() -> None:
        end.bind(lambda: 7)
        if not early:
            end.request()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            end.request()  # a second signal
            await asyncio.sleep(0)
            end.report()
            raise

    if early:
        end.request()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    end.report()
    assert reports == [7]


def test_nothing_was_done_before_the_coroutine_began() -> None:
    reports: list[int] = []
    Interruption(reports.append).report()
    assert reports == [0]
