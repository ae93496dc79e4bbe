"""A worker's judgement of its tasks: late events of a stream, of a whole topic, and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from stream.config import Settings
from stream.contract.events import STREAMS
from stream.core.model.encoding import decode, encode
from stream.engine.checkpoint import POSITION, PositionRow
from stream.engine.task import EVIDENCE, Task
from stream.engine.task_runner import TaskRunner
from stream.intake.intake import Intake
from stream.market import simulate
from stream.ops.event_files import stream_of
from stream.ops.trust import MAX_REFUSED_SHARE, MAX_UNKNOWN_FIELDS_SHARE
from stream.trust_watch import RECENT_EVENTS, TrustWatch
from tests.unit.engine.doubles import FakePartitionControl, FetchedRecord, InMemoryCheckpointStore, NullTaskMetrics

_SETTINGS = Settings()
_Json = dict[str, Any]


class _Worker:
    """One task of a worker, its judge, and the logs of its input topics."""

    def __init__(self) -> None:
        self.store = InMemoryCheckpointStore()
        self.watch = TrustWatch(_SETTINGS)
        self._offsets = [0] * len(STREAMS)
        self.restart()

    def restart(self) -> None:
        self.task = Task(0, _SETTINGS, Intake(_SETTINGS, 1), self.store, lambda: 1e11)
        self.runner = TaskRunner(self.task, _SETTINGS, FakePartitionControl(), NullTaskMetrics())
        asyncio.run(self.task.restore())

    def read(self, events: Sequence[_Json | bytes]) -> None:
        """Apply events as they come, each stream in its order, and judge them."""
        for stream in range(len(STREAMS)):
            values = [
                (event["seller_id"].encode(), msgspec.json.encode(event)) if isinstance(event, dict) else (b"s", event)
                for event in events
                if (stream_of(event["type"]) if isinstance(event, dict) else 0) == stream
            ]
            start = self._offsets[stream]
            records = [FetchedRecord(start + number, key, value) for number, (key, value) in enumerate(values)]
            self._offsets[stream] += len(records)
            if records:
                self.task.take(stream, records)
        self._apply()
        self.watch.update({0: self.runner})

    def _apply(self) -> None:
        """Apply everything, with the messages that the task sends to itself."""
        while True:
            while self.task.step(lambda _: True, 10_000):
                pass
            asyncio.run(self.task.checkpoint(lambda alert: alert))
            unread = self.store.unread_messages()
            if not unread:
                return
            self.task.take(EVIDENCE, unread)

    def reasons(self) -> set[str]:
        return self.watch.reasons(0) - {"short_history", "few_sellers", "few_flips"}


def _market(sellers: int = 6, days: int = 60) -> list[_Json]:
    return simulate.market("bribes", 1, sellers, days)[0]


def test_events_in_order_give_no_doubt_about_the_input() -> None:
    worker = _Worker()
    worker.read(_market())
    assert worker.reasons() == set()
    assert "short_history" in worker.watch.reasons(0)


def test_the_past_after_live_events_is_late() -> None:
    events, worker = _market(), _Worker()
    worker.read(events[-500:])
    assert worker.reasons() == set()
    worker.read(events[:-500])
    assert worker.reasons() == {"late"}


def test_the_past_is_late_after_a_restart_too() -> None:
    events, worker = _market(), _Worker()
    worker.read(events[-500:])
    worker.restart()
    worker.read(events[:-500])
    assert worker.task.detector.state.counts["late"] == len(events) - 500
    assert worker.reasons() == {"late"}


def test_a_whole_topic_that_is_fed_after_the_others_is_late() -> None:
    events, worker = _market(), _Worker()
    worker.read([event for event in events if stream_of(event["type"]) == 0])
    lookups = [event for event in events if stream_of(event["type"]) == 2]
    worker.read(lookups)
    assert len(lookups) < 0.01 * len(events)
    assert worker.reasons() == {"late"}


def test_a_late_topic_stays_late_after_a_restart() -> None:
    events, worker = _market(), _Worker()
    worker.read([event for event in events if stream_of(event["type"]) == 0])
    worker.read([event for event in events if stream_of(event["type"]) == 2])
    worker.restart()
    worker.watch.update({0: worker.runner})
    assert worker.reasons() == {"late"}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_file_that_is_fed_again_leaves_a_late_history_late(restarted: bool) -> None:
    """The events of the second feed are duplicates: they repair nothing, and no share becomes smaller by them."""
    events, worker = _market(sellers=24), _Worker()
    worker.read([*events[200:], *events[:200]])
    assert worker.reasons() == {"late"}
    if restarted:
        worker.restart()
    for _ in range(5):
        worker.read(events)
        assert worker.reasons() == {"late", "duplicates"}
    worker.restart()
    worker.watch.update({0: worker.runner})
    assert worker.reasons() == {"late"}


def test_a_late_history_stays_late_in_a_state_from_before_its_events_were_counted_by_topic() -> None:
    events, worker = _market(), _Worker()
    worker.read([*events[200:], *events[:200]])
    row = worker.store.rows[POSITION]
    assert row is not None
    worker.store.rows[POSITION] = encode(msgspec.structs.replace(decode(row, PositionRow), applied=[], late=[]))
    worker.restart()
    worker.read(events)
    assert worker.reasons() == {"late", "duplicates"}


def test_a_corrected_file_leaves_the_events_with_unknown_fields_doubtful() -> None:
    events, worker = _market(sellers=24), _Worker()
    share = round(1.5 * MAX_UNKNOWN_FIELDS_SHARE * len(events))
    worker.read([event | {"colour": "red"} for event in events[:share]] + events[share:])
    assert worker.reasons() == {"unknown_fields"}
    worker.read(events)
    assert worker.reasons() == {"unknown_fields", "duplicates"}


def test_a_second_delivery_with_unknown_fields_counts_as_a_duplicate_alone() -> None:
    events, worker = _market(sellers=24), _Worker()
    share = round(0.8 * MAX_UNKNOWN_FIELDS_SHARE * len(events))
    marked = [event | {"colour": "red"} for event in events[:share]] + events[share:]
    worker.read(marked)
    worker.read(marked)
    assert worker.reasons() == {"duplicates"}


def test_a_second_feed_does_not_hide_refused_records() -> None:
    events, worker = _market(sellers=24), _Worker()
    worker.read([*events, *[b"garbage"] * round(1.5 * MAX_REFUSED_SHARE * len(events))])
    assert worker.reasons() == {"refused"}
    worker.read(events)
    assert worker.reasons() == {"refused", "duplicates"}


def test_a_late_history_is_doubtful_until_later_events_outnumber_it() -> None:
    events, worker = _market(sellers=30, days=180), _Worker()
    worker.read([*events[1000:1010], *events[:1000]])
    for number in range(1010, len(events), 1000):
        worker.read(events[number : number + 1000])
    assert sum(worker.task.counts.applied) > RECENT_EVENTS + 2000  # the late events are not among the latest
    assert worker.reasons() == {"late"}


def test_a_change_of_a_producer_shows_in_an_old_state() -> None:
    events, worker = _market(days=180), _Worker()
    for number in range(0, len(events), 1000):
        worker.read(events[number : number + 1000])
    assert worker.reasons() == set()
    worker.read([b"garbage"] * 200)
    assert worker.reasons() == {"refused"}
    worker.read(events[-2000:])
    assert worker.reasons() == {"refused", "duplicates"}


def test_a_doubt_is_logged_once_and_names_its_figure() -> None:
    events, worker = _market(), _Worker()
    with capture_logs() as logs:
        worker.read(events[-500:])
        worker.read(events[:-1000])
        worker.read(events[-1000:-500])
    (line,) = logs
    assert (line["event"], line["log_level"], line["reason"], line["task"]) == (
        "outcome_doubtful",
        "warning",
        "late",
        0,
    )
    assert "came more than 10 s of event time behind others" in line["text"]


def test_refused_records_of_a_worker_are_looked_up_in_its_dead_letters() -> None:
    worker = _Worker()
    with capture_logs() as found:
        worker.read([b"garbage"] * 300)
        worker.read(_market())
    (text,) = [line["text"] for line in found if line.get("reason") == "refused"]
    assert "`volteface dlq list`" in text
    assert "feed --check" not in text, "a file's check does not see a record's partition"
