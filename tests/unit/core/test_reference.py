"""A refactoring changes no result: alerts, state digests, state rows and records equal the reference byte for byte."""

from __future__ import annotations

import pytest

from tests import reference


@pytest.mark.slow
@pytest.mark.parametrize("tasks", reference.TASKS)
@pytest.mark.parametrize("name", reference.SOURCES)
def test_replay_gives_the_reference_alerts_and_digests(name: str, tasks: int) -> None:
    assert reference.replayed(name, tasks).splitlines() == reference.kept(f"{name}-{tasks}").splitlines()


@pytest.mark.slow
def test_task_writes_the_reference_rows_and_records() -> None:
    assert reference.topics().splitlines() == reference.kept("topics").splitlines()
