"""Token buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.console.access.rate_limits import TokenBuckets, too_often


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_one_a_second() -> None:
    clock = Clock()
    buckets = TokenBuckets(60, 3, clock)
    assert [buckets.take("ana") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert buckets.take("ben") == 0
    clock.now += 1
    assert [buckets.take("ana") for _ in range(2)] == [0, 1]
    clock.now += 3600
    assert [buckets.take("ana") for _ in range(4)] == [0, 0, 0, 1]


def test_whoever_waits_as_long_as_said_gets_a_token() -> None:
    clock = Clock()
    buckets = TokenBuckets(7, 1, clock)
    assert buckets.take("ana") == 0
    clock.now += 0.25
    wait = buckets.take("ana")
    assert wait == 9
    clock.now += wait - 1
    assert buckets.take("ana") == 1
    clock.now += 1
    assert buckets.take("ana") == 0


def test_memory_is_bounded_and_the_latest_names_stay() -> None:
    buckets = TokenBuckets(1, 1, Clock(), max_names=10)
    for number in range(1000):
        buckets.take("busy")
        assert buckets.take(f"name-{number}") == 0
        assert len(buckets._buckets) <= 10
    assert buckets.take("busy") > 0


@given(st.lists(st.floats(0, 30), max_size=200))
def test_no_more_than_burst_and_rate_pass(pauses: list[float]) -> None:
    clock = Clock()
    buckets = TokenBuckets(60, 5, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += buckets.take("ana") == 0
    assert passed <= 5 + clock.now + 1e-6


@pytest.mark.parametrize(("seconds", "text"), [(1, "in 1 second."), (20, "in 20 seconds.")])
def test_the_answer_says_when_to_try_again(seconds: int, text: str) -> None:
    answer = too_often(seconds)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(seconds))
    assert bytes(answer.body).decode().endswith(text)
