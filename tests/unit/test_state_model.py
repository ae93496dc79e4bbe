"""State tells what it was built by: rows of this version are read, all others are refused in one line, and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from stream.config import Settings
from stream.core import codec
from stream.core.codec import StateError
from stream.core.model import difference, model_of
from stream.core.rows import MetaRow
from stream.engine.crew import Crew
from stream.engine.records import Checkpoint
from stream.engine.task import POSITION, PositionRow, Task
from stream.intake.decode import Intake
from tests import saved_state
from tests.unit.test_crew import Deaf, Tap

_ADVICE = (
    r"; go back to what wrote it, or start under another VOLTEFACE_APP_ID: see docs/operations\.md, "
    r'"Upgrade and roll-back"$'
)
Rows = list[tuple[bytes, bytes]]


class Kept:
    """A ledger with these rows, that must not be written to."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.commits = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        yield [*self.rows]

    async def commit(self, checkpoint: Checkpoint) -> None:
        self.commits += 1


def _with_meta(change: Callable[[MetaRow], object]) -> Rows:
    rows = dict(saved_state.read().rows)
    meta = codec.decode(rows[codec.META], MetaRow)
    change(meta)
    return [*(rows | {codec.META: codec.encode(meta)}).items()]


def _version_2() -> Rows:
    return _with_meta(lambda meta: setattr(meta, "version", 2))


def _no_model() -> Rows:
    return _with_meta(lambda meta: meta.model.clear())


def _other_watches_and_version() -> Rows:
    return _with_meta(lambda meta: meta.model.update({"watches": "00000000", "model version": "2"}))


def _other_key() -> Rows:
    return _with_meta(lambda meta: meta.model.update({"VOLTEFACE_PSEUDONYM_KEY": "0" * 16}))


def _position_of_version_2() -> Rows:
    return [*saved_state.read().rows, (POSITION, codec.encode(PositionRow(2, [(0, []), (0, []), (0, [])], 0, {})))]


REFUSED = [
    (_version_2, "^a MetaRow of the state topic has version 2; this Volteface reads 1"),
    (_position_of_version_2, "^a PositionRow of the state topic has version 2; this Volteface reads 1"),
    (_no_model, "^the state topic was written by a Volteface that did not tell its model"),
    (
        _other_watches_and_version,
        "^the state topic was written with model version 2 where this one has 1 and other watches",
    ),
    (_other_key, "^the state topic was written with VOLTEFACE_PSEUDONYM_KEY set where it is not now"),
]


def test_the_rows_of_version_1_are_read() -> None:
    saved, task = saved_state.read(), saved_state.empty()
    task.restore(saved.rows)
    assert task.digest() == saved.digest
    assert {key[:2] for key, _ in saved.rows} == saved_state.KINDS  # or a kind would go untested


@pytest.mark.parametrize(("rows", "words"), REFUSED)
def test_other_rows_are_refused_and_kept(rows: Callable[[], Rows], words: str) -> None:
    async def restored() -> int:
        ledger, settings = Kept(rows()), Settings(alert_budget=1000)
        task = Task(0, settings, Intake(settings, 2), ledger, time.time)
        with pytest.raises(StateError, match=words + _ADVICE) as told:
            await task.restore()
        assert "\n" not in str(told.value)
        task.step(lambda _: True, 10)
        await task.checkpoint(lambda alert: alert)
        return ledger.commits

    assert asyncio.run(restored()) == 0


def test_the_same_rows_unchanged_are_restored_and_go_on() -> None:
    """What the test above refuses is refused for what was changed."""

    async def restored() -> int:
        ledger, settings = Kept(_with_meta(lambda _: None)), Settings()
        task = Task(0, settings, Intake(settings, 2), ledger, time.time)
        await task.restore()
        task.take(0, [_Garbage()])
        task.step(lambda _: True, 10)
        await task.checkpoint(lambda alert: alert)
        return ledger.commits

    assert asyncio.run(restored()) == 1


class _Garbage:
    """A record that changes where the task stands."""

    offset, timestamp, key, value, headers = 0, 0, b"s", b"garbage", ()


def test_each_part_of_the_model_is_told_in_words() -> None:
    ours = model_of("a" * 16)
    assert difference(ours, ours) is None
    for part in ours:
        assert part in (difference(ours | {part: "0"}, ours) or "")
    assert "KEY not set where it is now" in (difference(model_of(""), ours) or "")
    assert "with another VOLTEFACE_PSEUDONYM_KEY" in (difference(model_of("b" * 16), ours) or "")
    assert "other marks" in (difference(ours | {"marks": "7"}, ours) or "")  # of a part that is not known here


def test_a_worker_whose_state_cannot_be_read_ends_and_does_not_try_again() -> None:
    async def ended() -> list[str]:
        calls: list[str] = []

        async def rejoin() -> None:
            calls.append("rejoin")

        async def end(error: StateError) -> None:
            calls.append(str(error))

        crew = Crew(Settings(), lambda _: Kept(_no_model()), Tap(), Deaf(), rejoin, end)
        crew.assign({0}, 2)
        async with asyncio.timeout(10):
            while not calls:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.5)  # a failed task asks the group again after a second
        assert not crew.members
        return calls

    (said,) = asyncio.run(ended())
    assert said.startswith("the state topic was written by a Volteface that did not tell its model")
