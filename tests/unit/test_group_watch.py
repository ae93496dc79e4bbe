"""What a worker advises about the members of its group that have partitions of its tasks."""

from __future__ import annotations

from stream.config import Settings
from stream.engine.deciding_settings import deciding_settings
from stream.engine.group_members import Member
from stream.group_watch import advice

_SETTINGS = Settings()


def _member(settings: Settings | None) -> Member:
    sent = None if settings is None else deciding_settings(settings)
    return Member("c1", "10.0.0.1", sent, frozenset(), frozenset())


def test_a_worker_with_other_settings_is_no_foreign_consumer() -> None:
    text = advice(_SETTINGS, [_member(_SETTINGS.model_copy(update={"outreach_topic": "other"}))])
    assert text == (
        f"give all workers of group {_SETTINGS.app_id} the same settings: the worker of client c1 on host 10.0.0.1 has "
        f"VOLTEFACE_OUTREACH_TOPIC=other, and here it is {_SETTINGS.outreach_topic}"
    )


def test_a_consumer_that_is_no_worker_needs_another_group_id() -> None:
    for blamed in ([], [_member(None)], [_member(_SETTINGS), _member(None)]):
        assert advice(_SETTINGS, blamed) == (
            f"give consumers that are no workers another group id than {_SETTINGS.app_id}"
        )


def test_a_worker_with_the_same_settings_is_named() -> None:
    assert "client c1 on host 10.0.0.1: a worker with the same settings" in advice(_SETTINGS, [_member(_SETTINGS)])
