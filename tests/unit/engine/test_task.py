"""A task without a broker: after any interruption it continues from its last checkpoint with the same results."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import NamedTuple

import msgspec
import pytest

from stream.config import Settings
from stream.core.messages.wire import APP_ID_HEADER, DayRequest, encode_message
from stream.engine.checkpoint import RaisedAlert
from stream.engine.task import EVIDENCE, Task
from stream.engine.task_totals import TaskTotals
from stream.intake.intake import Intake
from stream.market import simulate
from tests.unit.engine.doubles import FetchedRecord, InMemoryCheckpointStore


def _records() -> list[list[FetchedRecord]]:
    """Return the records of a market in one partition by stream, with garbage and notes on unknown cases among them."""
    events, _ = simulate.market("bribes", 1, 6, 60)
    streams: list[list[FetchedRecord]] = [[], [], [], []]
    for number, event in enumerate(events):
        stream, key = ("review", "outreach", "contact").index(event["type"].split(".")[0]), event["seller_id"]
        for value in (msgspec.json.encode(event), *([b"garbage"] if number % 7 == 0 else [])):
            streams[stream].append(FetchedRecord(2 * len(streams[stream]), key.encode(), value))
        if number % 20 == 0:
            about = {"case_id": "c", "subject": {"type": "seller", "id": key}, "analyst_id": "a", "note": "n"}
            noted = {"type": "case.noted", "event_id": f"n{number}", "occurred_at": event["occurred_at"]} | about
            streams[3].append(FetchedRecord(2 * len(streams[3]), key.encode(), msgspec.json.encode(noted)))
    return streams


async def _run_until_checkpoint(task: Task, store: InMemoryCheckpointStore, count: int) -> tuple[bool, float]:
    """Apply `count` events and checkpoint; return whether there were fewer events, and the expected flips."""
    events, expected = 0, 0.0
    while events < count:
        taken = task.step(lambda _: True, min(500, count - events))
        events += taken
        if not taken:
            expected += (await task.checkpoint(lambda alert: alert)).expected_flips
            if not (unread := store.unread_messages()):
                return True, expected
            task.take(EVIDENCE, unread)
    return False, expected + (await task.checkpoint(lambda alert: alert)).expected_flips


def _assert_not_lower(before: TaskTotals, after: TaskTotals) -> None:
    assert all(after.counts[name] >= count for name, count in before.counts.items())
    assert all(after.dead[name] >= count for name, count in before.dead.items())
    assert all(new >= old for old, new in zip(before.records, after.records, strict=True))


class Outcome(NamedTuple):
    """The final state of a task, and the totals that its metrics showed."""

    digest: str
    applied: int
    duplicates: int
    dead: int
    totals: TaskTotals
    expected_flips: float
    store: InMemoryCheckpointStore


async def _run(count: int) -> Outcome:
    """Restart the task after every `count` events, each time with a few events after its last checkpoint."""
    records, store = _records(), InMemoryCheckpointStore()
    settings = Settings(allowed_lateness_seconds=3600)
    totals, all_expected = TaskTotals({}, {}, [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], 0), 0.0
    for run in range(1000):
        task = Task(0, settings, Intake(settings, 1), store, time.time)
        await task.restore()
        _assert_not_lower(totals, task.committed_totals)
        for stream, offset in enumerate(store.offsets):
            available = store.unread_messages() if stream == EVIDENCE else records[stream]
            found = [record for record in available if record.offset >= offset]
            if found:
                task.take(stream, found)
        is_done, expected = await _run_until_checkpoint(task, store, count)
        all_expected += expected
        if is_done:
            counts = task.detector.state.counts
            return Outcome(
                task.detector.rows.digest(), counts["applied"], counts["duplicate"], task.dead.total(),
                task.committed_totals, all_expected, store,
            )  # fmt: skip
        totals = task.committed_totals
        task.step(lambda _: True, run % 5)  # applied, never committed
        assert task.committed_totals == totals, "what is not committed is done again, and must not count twice"
        await task.drop()
    raise AssertionError("the task does not finish")


@pytest.mark.slow
def test_an_interrupted_task_equals_an_uninterrupted_one() -> None:
    uninterrupted, interrupted = asyncio.run(_run(10**9)), asyncio.run(_run(13))
    assert uninterrupted[:5] == interrupted[:5]
    assert uninterrupted.dead > 100
    assert uninterrupted.totals.counts["applied"] == uninterrupted.applied
    assert uninterrupted.totals.records == [2 * len(records) - 1 for records in _records()]
    # A step of 500 events spans weeks of this small market, a step of 13 hours.
    assert uninterrupted.expected_flips == pytest.approx(interrupted.expected_flips, rel=0.05)
    assert interrupted.expected_flips > 1
    topics = {record.topic for record in uninterrupted.store.sent}
    assert {"integrity.evidence.v1", "dlq.reviews.lifecycle.v1"} <= topics
    for topic in topics - {Settings().evidence_topic}:
        assert uninterrupted.store.values(topic) == interrupted.store.values(topic)
    for kind in (b"day",):  # the days of a conclusion depend on when the messages arrive
        sent = [outcome.store.messages_of_type(kind) for outcome in (uninterrupted, interrupted)]
        assert sent[0] == sent[1] != []


@pytest.mark.slow
def test_an_alert_has_the_timestamp_of_the_batch_of_its_trigger() -> None:
    async def alerts() -> list[RaisedAlert]:
        settings, store = Settings(), InMemoryCheckpointStore()
        task = Task(0, settings, Intake(settings, 1), store, time.time)
        await task.restore()
        events, _ = simulate.market("bribes", 1, 25, 240)
        streams: list[list[FetchedRecord]] = [[], [], []]
        for number, event in enumerate(events):
            stream = ("review", "outreach", "contact").index(event["type"].split(".")[0])
            key, value = event["seller_id"].encode(), msgspec.json.encode(event)
            streams[stream].append(FetchedRecord(len(streams[stream]), key, value, timestamp=1000 * number))
        for stream, records in enumerate(streams):
            for start in range(0, len(records), 50):
                task.take(stream, records[start : start + 50])
        raised, step = list[RaisedAlert](), 1
        while step or task.blocked:
            step = task.step(lambda _: True, 10**9)
            raised += (await task.checkpoint(lambda alert: alert)).raised
            if unread := store.unread_messages():
                task.take(EVIDENCE, unread)
        sent = {event["event_id"]: number for number, event in enumerate(events)}
        for alert, sent_at in raised:  # the batch's first record was sent at most some hundred events earlier
            assert 0 <= sent[alert.evidence.event_ids[0]] - sent_at < 1000
        return raised

    assert asyncio.run(alerts())


def test_a_failed_commit_raises() -> None:
    async def fail() -> None:
        store, settings = InMemoryCheckpointStore(), Settings()
        task = Task(0, settings, Intake(settings, 1), store, time.time)
        await task.restore()
        task.take(0, [FetchedRecord(0, b"s", b"garbage")])
        task.step(lambda _: True, 10)
        store.fenced = True
        await task.checkpoint(lambda alert: alert)

    with pytest.raises(ConnectionError):
        asyncio.run(fail())


def test_an_event_dated_ahead_does_not_make_its_topic_lag() -> None:
    """It waits until event time reaches it; the events behind it are applied meanwhile."""

    async def lag_by_record() -> tuple[int, float | None]:
        settings, store = Settings(), InMemoryCheckpointStore()
        task = Task(0, settings, Intake(settings, 1), store, time.time)
        await task.restore()
        now = time.time()
        common = {"type": "outreach.sent", "seller_id": "s", "reviewer_id": "u", "channel": "message"}
        times = [now, now + 3000, *(now + second for second in range(1, 60))]
        records = [
            FetchedRecord(
                offset, b"s", timestamp=int(now * 1000),
                value=msgspec.json.encode(
                    common | {"event_id": str(offset), "occurred_at": dt.datetime.fromtimestamp(at, dt.UTC)}
                ),
            )
            for offset, at in enumerate(times)
        ]  # fmt: skip
        task.take(1, records)
        for _ in range(3):  # a task's first step applies one event
            task.step(lambda stream: stream != 1, 1000)
        return task.merge.streams[1].waiting, task.oldest_sent_at(1)

    assert asyncio.run(lag_by_record()) == (1, None)


def test_records_of_the_evidence_topic_that_are_not_ours_are_counted_or_kept() -> None:
    """A message of another application is counted; a record of none becomes a dead letter. Both outlive a restart."""
    settings, store = Settings(app_id="ours"), InMemoryCheckpointStore()
    day = encode_message(DayRequest(reporter=0, day=1))
    headers: list[tuple[tuple[str, bytes | None], ...]] = [
        ((APP_ID_HEADER, b"ours"),),
        ((APP_ID_HEADER, b"theirs"),),
        (("trace", b"1"), (APP_ID_HEADER, b"ours.v2")),
        (),
        (("trace", b"1"),),
        ((APP_ID_HEADER, None),),
        ((APP_ID_HEADER, b""),),
        ((APP_ID_HEADER, b"\xff two words"),),
    ]
    records = [FetchedRecord(offset, None, day, header) for offset, header in enumerate(headers)]

    async def read(new: list[FetchedRecord]) -> Task:
        task = Task(0, settings, Intake(settings, 1), store, time.time)
        await task.restore()
        if new:
            task.take(EVIDENCE, new)
        task.step(lambda _: True, 10)
        await task.checkpoint(lambda alert: alert)
        return task

    for task in (asyncio.run(read(records)), asyncio.run(read([]))):
        assert task.committed_totals.foreign_messages == 2
        assert task.dead == {"integrity.evidence.v1/missing_field": 2, "integrity.evidence.v1/bad_value": 3}
    letters = [record for record in store.sent if record.topic == "dlq.integrity.evidence.v1"]
    assert [letter.value for letter in letters] == [day] * 5
    assert all("volteface.app_id" in dict(letter.headers)["__streams.errors.message"].decode() for letter in letters)
