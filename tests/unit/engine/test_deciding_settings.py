"""A worker continues a state only with the settings that it was built with."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from stream.config import Settings
from stream.core.messages.conclusions import Conclusion, NamedReviewer
from stream.core.messages.wire import APP_ID_HEADER, encode_message
from stream.core.model.encoding import decode, encode
from stream.core.state.codec import ACCUSED, TASK_REVIEWER
from stream.engine.checkpoint import POSITION, PositionRow
from stream.engine.deciding_settings import DifferentSettingsError, DifferentTopicsError, check, deciding_settings
from stream.engine.task import EVIDENCE, Task
from stream.intake.intake import Intake
from tests.unit.engine.doubles import FetchedRecord, InMemoryCheckpointStore

#: Settings that decide no outcome, or that something else guards.
OTHERS = {
    "app_id",  # names the state itself
    "audit_topic",  # commands only
    "checkpoint_seconds",
    "max_idle_seconds",
    "output_format",  # other bytes, the same documents
    "schema_registry_cafile",
    "schema_registry_password",
    "schema_registry_url",
    "schema_registry_user",
    "pseudonym_key",  # in the model of the rows
    "web_host",
    "web_port",
    "log_level",
    "transaction_timeout_seconds",
    "session_timeout_seconds",
}
CHANGES = {
    "lifecycle_topic": "x",
    "outreach_topic": "x",
    "access_topic": "x",
    "verdicts_topic": "x",
    "evidence_topic": "x",
    "alerts_topic": "x",
    "cases_topic": "x",
    "dead_letter_prefix": "x.",
    "allowed_lateness_seconds": 11,
    "max_event_bytes": 2048,
    "future_seconds": 1,
    "unknown_fields": "refuse",
    "alert_budget": 2.5,
    "four_eyes": "on",
    "case_due_days": "1,2,3,4",
    "input_format": "outbox",
    "reviewer_watch": "off",
}


def _restored(settings: Settings, store: InMemoryCheckpointStore) -> None:
    async def restore() -> None:
        task = Task(0, settings, Intake(settings, 2), store, time.time)
        await task.restore()
        await task.checkpoint(lambda alert: alert)

    asyncio.run(restore())


def test_every_setting_is_either_in_the_state_or_decides_nothing() -> None:
    assert CHANGES.keys() | OTHERS == set(Settings.model_fields)
    assert not CHANGES.keys() & OTHERS


@pytest.mark.parametrize("field", CHANGES)
def test_another_value_is_refused_and_named(field: str) -> None:
    store, settings = InMemoryCheckpointStore(), Settings()
    _restored(settings, store)
    _restored(settings, store)  # the same settings
    rows = dict(store.rows)
    other = Settings.model_validate({field: CHANGES[field]})
    name = f"VOLTEFACE_{field.upper()}"
    kind = (
        DifferentTopicsError
        if field.endswith("_topic") and field not in {"alerts_topic", "cases_topic"}
        else DifferentSettingsError
    )
    with pytest.raises(
        kind, match=f"built with {name}=.*, and now it is {CHANGES[field]}; set them back; or, "
    ) as refused:
        _restored(other, store)
    assert "\n" not in str(refused.value)
    assert store.rows == rows


def test_a_state_from_before_takes_the_settings_of_its_worker() -> None:
    store, settings = InMemoryCheckpointStore(), Settings()
    _restored(settings, store)
    row = store.rows[POSITION]
    assert row is not None
    written = decode(row, PositionRow)
    old = encode([written.version, written.streams, written.evidence, written.dead])
    store.rows[POSITION] = old
    changed = Settings(alert_budget=5)
    _restored(changed, store)
    row = store.rows[POSITION]
    assert row is not None
    assert decode(row, PositionRow).settings == deciding_settings(changed)


def test_a_setting_that_one_side_does_not_know_is_no_difference() -> None:
    check(
        {"VOLTEFACE_REMOVED": "1", "VOLTEFACE_ALERT_BUDGET": "3"}, {"VOLTEFACE_ALERT_BUDGET": "3", "VOLTEFACE_NEW": "1"}
    )


def _event(kind: str, minute: int, **fields: object) -> bytes:
    common = {"type": kind, "event_id": f"e{minute}", "occurred_at": f"2025-01-01T00:{minute:02}:00Z"}
    ids = {"seller_id": "s", "review_id": "r", "product_id": "p", "reviewer_id": "natural-person"}
    return msgspec.json.encode(common | ids | fields)


async def _watching_reviewers(store: InMemoryCheckpointStore) -> None:
    """Write the rows of a task that watches reviewers: one has turned a review and is named by the aggregator."""
    settings = Settings(reviewer_watch="ids")
    task = Task(0, settings, Intake(settings, 1), store, time.time)
    await task.restore()
    events = [_event("review.created", 1, rating=1), _event("review.edited", 2, rating=5)]
    task.take(0, [FetchedRecord(offset, b"s", value) for offset, value in enumerate(events)])
    named = [NamedReviewer(1, "natural-person", True, [("s", "r")])]
    conclusion = encode_message(Conclusion(day=1, accused=[], withdrawn=[], reviewers=named))
    task.take(EVIDENCE, [FetchedRecord(0, None, conclusion, ((APP_ID_HEADER, settings.app_id.encode()),))])
    while task.step(lambda _: True, 10):
        pass
    await task.checkpoint(lambda alert: alert)


def test_a_task_without_input_writes_that_it_has_erased_the_reviewers() -> None:
    """The watch was turned off by `state adopt`: the rows must not keep the ids until the next event comes."""

    async def adopted() -> None:
        settings, store = Settings(reviewer_watch="off"), InMemoryCheckpointStore()
        await _watching_reviewers(store)
        row = decode(store.rows[POSITION] or b"", PositionRow)
        store.rows[POSITION] = encode(msgspec.structs.replace(row, settings=deciding_settings(settings)))
        assert [key for key in (TASK_REVIEWER, ACCUSED) if _with_reviewer(store, key)] == [TASK_REVIEWER, ACCUSED]
        written = []
        for _ in range(2):
            task = Task(0, settings, Intake(settings, 1), store, time.time)
            await task.restore()
            written.append((await task.checkpoint(lambda alert: alert)).rows > 0)
        assert not _with_reviewer(store, TASK_REVIEWER)
        assert not _with_reviewer(store, ACCUSED)
        assert written == [True, False]  # and a restore that erases nothing writes nothing

    asyncio.run(adopted())


def _with_reviewer(store: InMemoryCheckpointStore, kind: bytes) -> list[bytes]:
    """Return the keys of a kind's rows that hold the reviewer."""
    id_ = b"natural-person"
    return [key for key, value in store.rows.items() if key[:2] == kind and value and (id_ in key or id_ in value)]
