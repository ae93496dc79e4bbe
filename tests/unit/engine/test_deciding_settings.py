"""A worker continues a state only with the settings that it was built with."""

from __future__ import annotations

import asyncio
import time

import pytest

from stream.config import Settings
from stream.core.model.encoding import decode, encode
from stream.engine.checkpoint import POSITION, PositionRow
from stream.engine.deciding_settings import DifferentSettingsError, DifferentTopicsError, check, deciding_settings
from stream.engine.task import Task
from stream.intake.intake import Intake
from tests.unit.engine.doubles import InMemoryCheckpointStore

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
