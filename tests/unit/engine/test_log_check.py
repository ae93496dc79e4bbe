"""A task's offsets must belong to the logs that it reads, and the group's offsets must agree with them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from stream.engine.log_check import (
    Gap,
    GroupOffsetsError,
    Log,
    LogError,
    Start,
    check,
    check_state_beginning,
    foreign_offsets,
)

STATE = "app-state"


def logs(beginning: int, end: int, committed: int | None) -> list[Log]:
    """Return an empty log and one with these offsets."""
    return [Log("reviews", 3, 0, 0, None), Log("outreach", 3, beginning, end, committed)]


def _foreign(offsets: list[int], found: list[Log], *, at_checkpoint: bool) -> dict[str, str]:
    return foreign_offsets(offsets, check(offsets, found, 2, STATE), found, at_checkpoint=at_checkpoint)


@pytest.mark.parametrize("committed", [None, 0])
def test_a_first_start_is_accepted(committed: int | None) -> None:
    assert check(None, logs(5, 9, committed), 2, STATE) == Start([0, 5], [])


def test_a_missing_state_is_refused() -> None:
    with pytest.raises(LogError, match=r"app-state has no state of partition 3.* outreach up to offset 7.*rebuild`$"):
        check(None, logs(0, 9, 7), 2, STATE)


def test_offsets_beyond_the_end_are_refused() -> None:
    with pytest.raises(LogError, match=r"outreach, partition 3, ends at offset 9, .* up to offset 10: .*rebuild`$"):
        check([0, 10], logs(0, 9, 10), 2, STATE)


def test_offsets_within_the_log_are_accepted() -> None:
    for offset in (5, 7, 9):
        assert check([0, offset], logs(5, 9, offset), 2, STATE) == Start([0, offset], [])


def test_expired_records_are_a_gap() -> None:
    assert check([0, 3], logs(5, 9, 3), 2, STATE) == Start([0, 5], [Gap("outreach", 3, 3, 5)])


def test_group_offsets_beyond_the_state_are_found_and_named() -> None:
    for committed, found in ((6, {"outreach": "5 instead of 6"}), (5, {}), (None, {})):
        assert _foreign([0, 5], logs(0, 9, committed), at_checkpoint=False) == found
    assert "'outreach': '5 instead of 6'" in str(GroupOffsetsError({"outreach": "5 instead of 6"}))


@pytest.mark.parametrize("committed", [0, 4])
def test_group_offsets_behind_the_last_checkpoint_are_found_and_those_behind_later_work_are_not(committed: int) -> None:
    found = {"outreach": f"5 instead of {committed}"}
    assert _foreign([0, 5], logs(0, 9, committed), at_checkpoint=True) == found
    assert _foreign([0, 5], logs(0, 9, committed), at_checkpoint=False) == {}


def test_group_offsets_from_before_records_expired_are_not_foreign() -> None:
    assert _foreign([0, 3], logs(5, 9, 3), at_checkpoint=True) == {}


@pytest.mark.parametrize(("committed", "beyond"), [(4, False), (5, False), (6, True)])
def test_group_offsets_at_the_beginning_of_a_log_that_has_expired_are_not_set_back_for_ever(
    committed: int, beyond: bool
) -> None:
    assert bool(_foreign([0, 3], logs(5, 9, committed), at_checkpoint=True)) is beyond


def test_a_rebuilt_task_starts_at_the_groups_offset_of_the_evidence_topic() -> None:
    assert check(None, logs(0, 9, 7), 1, STATE) == Start([0, 7], [])


@pytest.mark.parametrize(
    ("written", "beginning", "lost"), [(None, 5, False), (0, 0, False), (5, 5, False), (0, 1, True)]
)
def test_rows_before_a_later_beginning_of_the_state_are_lost(written: int | None, beginning: int, lost: bool) -> None:
    with pytest.raises(LogError, match=r"app-state, partition 3, began at offset 0 and now") if lost else nullcontext():
        check_state_beginning(STATE, 3, written, beginning)
