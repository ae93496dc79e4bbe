"""Each reason not to trust an outcome is given where its limit is passed, and not before, with its figure."""

from __future__ import annotations

from typing import Any

import pytest

from stream.ops.trust import (
    MAX_DUPLICATE_SHARE,
    MAX_LATE_SHARE,
    MAX_REFUSED_SHARE,
    MAX_UNKNOWN_FIELDS_SHARE,
    MIN_DAYS,
    MIN_FLIPS_PER_YEAR,
    MIN_SELLERS,
    REASONS,
    Quality,
    TaskSize,
    of_input,
    of_tasks,
)

_APPLIED = {"reviews": 10_000, "look-ups": 200}
_ENOUGH = TaskSize(sellers=MIN_SELLERS, flips=2 * MIN_FLIPS_PER_YEAR, days=730.0)


def _quality(**counts: Any) -> Quality:
    nothing: dict[str, Any] = {"refused": {}, "late": {}, "duplicates": 0, "unknown_fields": 0}
    everything: dict[str, Any] = {"applied": _APPLIED, "lateness_seconds": 10.0} | nothing | counts
    return Quality(**everything)


def test_a_clean_input_of_enough_sellers_gives_no_doubt() -> None:
    assert of_input(_quality()) == []
    assert of_tasks({0: _ENOUGH, 1: _ENOUGH}, 2) == []


@pytest.mark.parametrize(
    ("reason", "count", "limit"),  # refused records and second deliveries come on top of the applied events
    [("late", lambda n: {"late": {"reviews": n}}, MAX_LATE_SHARE * 10_000),
     ("late", lambda n: {"late": {"look-ups": n}}, MAX_LATE_SHARE * 200),
     ("refused", lambda n: {"refused": {"reviews": n}}, MAX_REFUSED_SHARE * 10_000 / (1 - MAX_REFUSED_SHARE)),
     ("refused", lambda n: {"refused": {"look-ups": n}}, MAX_REFUSED_SHARE * 200 / (1 - MAX_REFUSED_SHARE)),
     ("duplicates", lambda n: {"duplicates": n}, MAX_DUPLICATE_SHARE * 10_200 / (1 - MAX_DUPLICATE_SHARE)),
     ("unknown_fields", lambda n: {"unknown_fields": n}, MAX_UNKNOWN_FIELDS_SHARE * 10_200)],
)  # fmt: skip
def test_a_share_above_its_limit_gives_a_doubt_with_the_figure(reason: str, count: Any, limit: float) -> None:
    assert of_input(_quality(**count(int(limit)))) == []
    (doubt,) = of_input(_quality(**count(int(limit) + 1)))
    assert doubt.reason == reason
    assert f"({int(limit) + 1:,} of " in doubt.text


@pytest.mark.parametrize("count", [{"late": {"reviews": 201}}, {"refused": {"reviews": 102}}, {"unknown_fields": 103}])
def test_second_deliveries_dilute_no_other_share(count: dict[str, Any]) -> None:
    (doubt,) = of_input(_quality(**count))
    assert doubt in of_input(_quality(**count, duplicates=1_000_000))


def test_all_records_of_a_small_input_refused_gives_a_doubt() -> None:
    assert [doubt.reason for doubt in of_input(_quality(applied={"a": 0}, refused={"a": 1}))] == ["refused"]
    assert of_input(_quality(applied={"a": 10}, late={"a": 1})) == []


def test_a_share_is_never_rounded_up_to_all() -> None:
    (doubt,) = of_input(_quality(late={"reviews": 9_999}))
    assert "99.9% (9,999 of 10,000) reviews records of the input" in doubt.text


@pytest.mark.parametrize(
    ("reason", "size"),
    [("few_sellers", TaskSize(MIN_SELLERS - 1, 2 * MIN_FLIPS_PER_YEAR, 730.0)),
     ("few_flips", TaskSize(MIN_SELLERS, 2 * MIN_FLIPS_PER_YEAR - 1, 730.0)),
     ("few_flips", TaskSize(MIN_SELLERS, MIN_FLIPS_PER_YEAR - 1, 200.0))],
)  # fmt: skip
def test_a_task_with_too_little_to_compare_gives_a_doubt(reason: str, size: TaskSize) -> None:
    (doubt,) = of_tasks({0: _ENOUGH, 1: size}, 2)
    assert doubt.reason == reason
    assert "1 of 2 tasks" in doubt.text
    assert "Use one partition" in doubt.text


def test_a_small_market_in_many_tasks_is_advised_fewer_partitions() -> None:
    tasks = dict.fromkeys(range(16), TaskSize(MIN_SELLERS // 2, 20 * MIN_FLIPS_PER_YEAR, 365.0))
    (doubt,) = of_tasks(tasks, 16)
    assert f"Use {MIN_SELLERS // 2 * 16 // (2 * MIN_SELLERS)} partitions" in doubt.text


def test_a_worker_with_a_part_of_the_tasks_gives_advice_for_all() -> None:
    small = TaskSize(MIN_SELLERS // 2, 20 * MIN_FLIPS_PER_YEAR, 365.0)
    (of_all,), (of_part,) = of_tasks(dict.fromkeys(range(16), small), 16), of_tasks({3: small}, 16)
    assert of_all.text.partition("Use ")[2] == of_part.text.partition("Use ")[2]


def test_a_market_that_is_too_small_for_one_task_is_not_advised_other_partitions() -> None:
    (doubt,) = of_tasks({0: TaskSize(3, 10 * MIN_FLIPS_PER_YEAR, 365.0)}, 1)
    assert "There are 3 sellers" in doubt.text
    assert "artition" not in doubt.text


def test_a_short_history_is_not_blamed_on_the_partitions() -> None:
    (doubt,) = of_tasks(dict.fromkeys(range(4), TaskSize(2, 1, MIN_DAYS - 1.0)), 4)
    assert doubt.reason == "short_history"
    assert f"{MIN_DAYS - 1} days" in doubt.text


@pytest.mark.parametrize(("days", "shown"), [(89.97, "89.9 days"), (MIN_DAYS - 1e-9, "89.9 days"), (30.0, "30 days")])
def test_a_figure_is_not_rounded_up_to_its_limit(days: float, shown: str) -> None:
    (doubt,) = of_tasks({0: TaskSize(MIN_SELLERS, 1, days)}, 1)
    assert f"The events span {shown}: " in doubt.text
    flips = TaskSize(MIN_SELLERS, 2 * MIN_FLIPS_PER_YEAR - 1, 730.0)  # 399.5 a year
    (alone,), (one_of_two,) = of_tasks({0: flips}, 1), of_tasks({0: _ENOUGH, 1: flips}, 2)
    assert f"There are {MIN_FLIPS_PER_YEAR - 1} flips a year, a comparison needs {MIN_FLIPS_PER_YEAR}" in alone.text
    assert f"one has {MIN_FLIPS_PER_YEAR - 1}; {MIN_FLIPS_PER_YEAR} are needed" in one_of_two.text


def test_a_second_delivery_is_said_to_do_no_harm() -> None:
    (doubt,) = of_input(_quality(duplicates=10_000))
    assert "does no harm, because nothing counts twice" in doubt.text


def test_nothing_to_compare_is_a_doubt() -> None:
    assert [doubt.reason for doubt in of_tasks({0: TaskSize(0, 0, 0.0)}, 1)] == ["few_sellers"]


def test_reasons_are_the_labels_of_the_metric() -> None:
    one = {"a": 1_000}
    quality = _quality(applied={"a": 2_000}, refused=one, late=one, duplicates=1_000, unknown_fields=1_000)
    doubts = of_input(quality) + of_tasks({0: TaskSize(1, 1, 365.0)}, 1) + of_tasks({0: TaskSize(1, 1, 1.0)}, 1)
    assert sorted(doubt.reason for doubt in doubts) == sorted(REASONS)
