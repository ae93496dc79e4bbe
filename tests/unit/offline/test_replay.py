"""The summary of a replay says when its outcome cannot be trusted, and why."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.market.simulate import simulate
from stream.offline.replay import Result, replay


@pytest.fixture(scope="module")
def market() -> list[bytes]:
    """Cheats among honest sellers; one task is enough to find some."""
    return [line.rstrip(b"\n") for line in simulate("bribes", 3, 40, 240).lines]


def _replay(lines: list[bytes], folder: Path, partitions: int = 1, sort: bool = False) -> tuple[Result, list[Alert]]:
    source, alerts = folder / "events.jsonl", list[Alert]()
    source.write_bytes(b"\n".join(lines))
    return replay(Settings(), str(source), partitions, alerts.append, sort), alerts


def _reasons(result: Result) -> str:
    assert result.trust == ("doubtful" if result.reasons else "ok")
    return " ".join(result.reasons)


def test_a_shuffled_history_is_doubtful_and_a_sorted_one_is_not(market: list[bytes], tmp_path: Path) -> None:
    expected, alerts = _replay(market, tmp_path)
    assert _reasons(expected) == ""
    assert alerts
    shuffled = random.Random(1).sample(market, len(market))
    found, _ = _replay(shuffled, tmp_path)
    assert found.late > 0.9 * found.events
    assert "came more than 10 s of event time behind others" in _reasons(found)
    again, alerts_again = _replay(shuffled, tmp_path, sort=True)
    assert again.late == 0
    assert _reasons(again) == ""
    assert {alert.subject.id for alert in alerts_again} == {alert.subject.id for alert in alerts}


def test_a_history_that_follows_a_disordered_part_of_itself_again_and_again_stays_late(
    market: list[bytes], tmp_path: Path
) -> None:
    """Its second deliveries make the share of late events no smaller."""
    first = market[:2000]
    late = [*first[100:], *first[:100]]  # 5 % of the events
    once, _ = _replay(late, tmp_path)
    assert "behind others" in _reasons(once)
    often, _ = _replay([*late, *first * 3], tmp_path)
    assert often.duplicates == 3 * len(first)
    assert often.late == once.late
    assert "behind others" in _reasons(often)
    assert "are dropped" in _reasons(often)


def test_late_look_ups_are_doubtful_though_they_are_few_of_all_events(market: list[bytes], tmp_path: Path) -> None:
    lookups = [line for line in market if b"contact.accessed" in line]
    others = [line for line in market if b"contact.accessed" not in line]
    result, _ = _replay(others + random.Random(1).sample(lookups, len(lookups)), tmp_path)
    assert result.late < 0.01 * result.events
    assert "access records of the input came more than 10 s" in _reasons(result)


def test_a_file_of_another_format_is_doubtful_and_its_first_line_is_shown(tmp_path: Path) -> None:
    result, _ = _replay([b"event_id,rating", *[b"e%d,1" % number for number in range(2000)]], tmp_path, 4)
    (refused,) = result.refused
    assert (refused.reason, refused.count, refused.line) == ("undecodable", 2001, 1)
    assert "JSON" in refused.text
    assert "100% (2,001 of 2,001) lifecycle records of the input are refused" in _reasons(result)


def test_refused_lines_have_the_first_line_of_each_reason_in_any_task(market: list[bytes], tmp_path: Path) -> None:
    event = msgspec.json.decode(market[0])
    bad = [msgspec.json.encode(event | {"seller_id": f"s{number}", "rating": 9}) for number in range(30)]
    result, _ = _replay([market[1], b"", *bad, b"{}", *market[:10]], tmp_path, 8)
    assert [(one.reason, one.count, one.line) for one in result.refused] == [
        ("bad_value", 30, 3),
        ("missing_field", 1, 33),
    ]


def test_a_small_market_in_many_tasks_is_doubtful(market: list[bytes], tmp_path: Path) -> None:
    result, _ = _replay(market, tmp_path, 16)
    assert "too few sellers" in _reasons(result)
    assert sum(task.sellers for task in result.tasks.values()) == 40


def test_an_empty_file_is_doubtful(tmp_path: Path) -> None:
    assert "nothing is compared" in _reasons(_replay([], tmp_path)[0])
