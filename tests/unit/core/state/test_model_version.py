"""State names the model that wrote it: rows of this version are read; all others are refused in one line and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from stream.config import Settings
from stream.core.model.encoding import StateError, decode, encode
from stream.core.state import codec
from stream.core.state.model_version import difference, model_of
from stream.core.state.rows import MetaRow
from stream.engine.checkpoint import POSITION, Checkpoint, PositionRow
from stream.engine.log_check import Start
from stream.engine.record_limits import RecordLimits
from stream.engine.task import Task
from stream.engine.task_manager import TaskManager
from stream.intake.intake import Intake
from tests import saved_state
from tests.unit.engine.doubles import NullTaskMetrics, runner_of

_ADVICE = (
    r"; go back to what wrote it, or start under another VOLTEFACE_APP_ID: see docs/operations\.md, "
    r'"Upgrade and roll-back"$'
)
Rows = list[tuple[bytes, bytes]]


class StoredRows:
    """A checkpoint store with these rows; it counts the checkpoints that are written to it."""

    limits = RecordLimits()

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.commits = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        yield [*self.rows]

    async def topic_ids(self) -> dict[str, str]:
        return {}

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        return Start(offsets or [0, 0, 0, 0, 0], [])

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None: ...

    async def commit(self, checkpoint: Checkpoint) -> None:
        self.commits += 1


def _with_meta(change: Callable[[MetaRow], object]) -> Rows:
    rows = dict(saved_state.read().rows)
    meta = decode(rows[codec.META], MetaRow)
    change(meta)
    return [*(rows | {codec.META: encode(meta)}).items()]


def _version_2() -> Rows:
    return _with_meta(lambda meta: setattr(meta, "version", 2))


def _no_model() -> Rows:
    return _with_meta(lambda meta: meta.model.clear())


def _other_watches_and_version() -> Rows:
    return _with_meta(lambda meta: meta.model.update({"watches": "00000000", "model version": "2"}))


def _other_key() -> Rows:
    return _with_meta(lambda meta: meta.model.update({"VOLTEFACE_PSEUDONYM_KEY": "0" * 16}))


def _position_of_version_2() -> Rows:
    return [*saved_state.read().rows, (POSITION, encode(PositionRow(2, [(0, []), (0, []), (0, [])], 0, {})))]


REFUSED = [
    (_version_2, "^a MetaRow of the state topic has version 2; this Volteface reads 1"),
    (_position_of_version_2, "^a PositionRow of the state topic has version 2; this Volteface reads 1"),
    (_no_model, "^the state topic was written by a version that did not record its model"),
    (
        _other_watches_and_version,
        "^the state topic was written with model version 2 where this one has 1 and other watches",
    ),
    (_other_key, "^the state topic was written with VOLTEFACE_PSEUDONYM_KEY set where it is not now"),
]


def test_rows_of_version_1_are_read() -> None:
    saved, task = saved_state.read(), saved_state.empty()
    task.rows.restore(saved.rows)
    assert task.rows.digest() == saved.digest
    assert {key[:2] for key, _ in saved.rows} == saved_state.KINDS  # so that every kind is tested


@pytest.mark.parametrize(("rows", "text"), REFUSED)
def test_other_rows_are_refused_and_kept(rows: Callable[[], Rows], text: str) -> None:
    async def restored() -> int:
        store, settings = StoredRows(rows()), Settings(alert_budget=1000)
        task = Task(0, settings, Intake(settings, 2), store, time.time)
        with pytest.raises(StateError, match=text + _ADVICE) as refused:
            await task.restore()
        assert "\n" not in str(refused.value)
        task.step(lambda _: True, 10)
        await task.checkpoint(lambda alert: alert)
        return store.commits

    assert asyncio.run(restored()) == 0


def test_unchanged_rows_are_restored_and_the_task_continues() -> None:
    """The rows that the test above refuses are refused because of their changes only."""

    async def restored() -> int:
        store, settings = StoredRows(_with_meta(lambda _: None)), Settings()
        task = Task(0, settings, Intake(settings, 2), store, time.time)
        await task.restore()
        task.take(0, [_Garbage()])
        task.step(lambda _: True, 10)
        await task.checkpoint(lambda alert: alert)
        return store.commits

    assert asyncio.run(restored()) == 1


class _Garbage:
    """A record that changes the task's position."""

    offset, timestamp, key, value, headers = 0, 0, b"s", b"garbage", ()


def test_each_part_of_the_model_is_named_in_the_text() -> None:
    own = model_of("a" * 16)
    assert difference(own, own) is None
    for part in own:
        assert part in (difference(own | {part: "0"}, own) or "")
    assert "KEY not set where it is now" in (difference(model_of(""), own) or "")
    assert "with another VOLTEFACE_PSEUDONYM_KEY" in (difference(model_of("b" * 16), own) or "")
    assert "other seasons" in (difference(own | {"seasons": "7"}, own) or "")  # a part that this version does not know


def test_worker_with_unreadable_state_ends_and_does_not_retry() -> None:
    async def ended() -> list[str]:
        calls: list[str] = []

        async def rejoin() -> None:
            calls.append("rejoin")

        async def end(error: Exception) -> None:
            calls.append(str(error))

        async def denied(partition: int, error: Exception) -> None:
            calls.append("denied")

        manager = TaskManager(
            lambda *numbers: runner_of(Settings(), StoredRows(_no_model()), *numbers),
            NullTaskMetrics(),
            rejoin,
            end,
            denied,
        )
        manager.assign({0}, 2)
        async with asyncio.timeout(10):
            while not calls:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.5)  # a failed task asks the group again after a second
        assert not manager.runners
        return calls

    (text,) = asyncio.run(ended())
    assert text.startswith("the state topic was written by a version that did not record its model")
