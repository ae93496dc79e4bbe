"""A refactoring changes no result: alerts, state digests, state rows and records equal the reference byte for byte."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from stream.contract.alerts import Alert
from tests import reference

#: A digest of the ids of each replay case's alerts: renewed files hold the same alerts, unless detection changed.
_ALERT_IDS = {
    "access-1": "7017ba0695a9c570",
    "access-4": "34a98a6c3d18a790",
    "app_store-1": "a454296d224cbb9c",
    "app_store-4": "e527456da9401397",
    "dirty-1": "faae8a9aae49d8fb",
    "dirty-4": "36b8d35bf7d6fa06",
}


@pytest.mark.parametrize("name", _ALERT_IDS)
def test_the_reference_alerts_keep_their_ids(name: str) -> None:
    _, *lines = reference.kept(name).splitlines()
    ids = "".join(msgspec.json.decode(line, type=Alert).alert_id for line in lines)
    assert hashlib.blake2b(ids.encode(), digest_size=8).hexdigest() == _ALERT_IDS[name]


@pytest.mark.slow
@pytest.mark.parametrize("tasks", reference.TASKS)
@pytest.mark.parametrize("name", reference.SOURCES)
def test_replay_gives_the_reference_alerts_and_digests(name: str, tasks: int) -> None:
    assert reference.replayed(name, tasks).splitlines() == reference.kept(f"{name}-{tasks}").splitlines()


@pytest.mark.slow
def test_task_writes_the_reference_rows_and_records() -> None:
    assert reference.topics().splitlines() == reference.kept("topics").splitlines()
