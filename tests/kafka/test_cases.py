"""Cases on a real Kafka: one for each accused subject, decided by verdicts; after kills all equal a replay."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from stream.arena.analysts import SimulatedAnalysts, answered
from stream.contract.events import AnyEvent, CaseEvent, Event
from stream.market import simulate
from stream.offline.local_bus import LocalTasks
from tests.kafka.cases import by_id
from tests.kafka.group import PARTITIONS, Group, Worker, alert_ids, command, wait

pytestmark = pytest.mark.kafka

_decode: Final = msgspec.json.Decoder(AnyEvent).decode


def with_verdicts(events: Sequence[Event], cheats: set[str], delay: dt.timedelta) -> list[Event]:
    """Return a market's events with the verdicts of analysts who answer each alert after a delay."""
    tasks = LocalTasks(3.0, "digest", PARTITIONS)
    return [event for event, _ in answered(events, tasks, SimulatedAnalysts(cheats, 0.2, delay))]


def _market(folder: Path) -> tuple[list[Event], set[str]]:
    truth = folder / "truth.jsonl"
    simulate.write("access", 3, 100, 200, folder / "clean.jsonl", truth)
    cheats = {line[name] for line in map(json.loads, truth.read_text().splitlines()) for name in line if name in
              {"seller_id", "actor_id"} and line[name]}  # fmt: skip
    return [_decode(line) for line in (folder / "clean.jsonl").read_bytes().splitlines()], cheats


def _write(path: Path, events: Sequence[Event]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))


def _replayed(
    events: Path, folder: Path, environment: dict[str, str]
) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
    options = ("--alerts", str(folder / "a.jsonl"), "--cases", str(folder / "c.jsonl"), "--partitions", str(PARTITIONS))
    output = json.loads(command(environment, "replay", "--input", str(events), *options))
    return output, alert_ids((folder / "a.jsonl").read_text()), by_id((folder / "c.jsonl").read_text().splitlines())


def _cases(group: Group) -> dict[str, Any]:
    states = [word for state in ("open", "decided", "appealed", "closed") for word in ("--state", state)]
    return by_id(group.command("cases", "--json", *states).splitlines())


@pytest.mark.long
def test_three_kills_amid_verdicts_equal_a_replay(group: Group, tmp_path: Path) -> None:
    events, cheats = _market(tmp_path)
    events = with_verdicts(events, cheats, dt.timedelta(days=2))
    verdicts = [event for event in events if isinstance(event, CaseEvent)]
    assert len(verdicts) >= 4
    assert {event.subject.type for event in verdicts} == {"seller", "staff", "ring"}
    file = tmp_path / "events.jsonl"
    _write(file, events)
    expected, ids, cases = _replayed(file, tmp_path, group.environment)
    group.command("feed", "--input", str(file))
    for share in (0.5, 0.7, 0.9):
        worker = Worker(group)
        worker.wait_for(int(len(events) * share))
        worker.kill()
    worker = Worker(group)
    worker.wait_for(len(events))
    group.wait_for_state(expected)
    assert worker.stop() == 0
    group.assert_equals(expected, ids)
    found = _cases(group)
    assert found == cases
    assert Counter(case["state"] for case in found.values())["decided"] >= 4


def test_a_verdict_closes_a_case_and_the_seller_stays_silent_until_new_flips(group: Group, tmp_path: Path) -> None:
    events, _ = _market(tmp_path)
    first = next(
        number
        for number, event in enumerate(events)
        if event.occurred_at > events[0].occurred_at + dt.timedelta(days=160)
    )
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    _write(before, events[:first])
    _write(after, events[first:])
    group.command("feed", "--input", str(before))
    worker = Worker(group)
    worker.wait_for(first)
    wait(lambda: len(_cases(group)) > 0, 30, "there is no case")
    cases = _cases(group)
    accused = {alert["subject"]["id"] for alert in map(json.loads, group.command("alerts", "--json").splitlines())
               if alert["subject"]["type"] != "product"}  # fmt: skip
    assert sorted(case["subject"]["id"] for case in cases.values()) == sorted(accused)
    assert {case["state"] for case in cases.values()} == {"open"}
    case = next(case for case in cases.values() if case["subject"]["type"] == "seller")
    group.command("verdict", case["case_id"][:8], "explained", "--story", "product_fix", "--note", "New firmware.")
    wait(lambda: _cases(group)[case["case_id"]]["state"] == "decided", 30, "the verdict was not applied")
    decided = _cases(group)[case["case_id"]]
    assert decided["verdicts"][0]["story"] == "product_fix"
    group.command("feed", "--input", str(after))
    worker.wait_for(len(events) + 1)
    wait(lambda: worker.lag() == 0, 60, "not all records were applied")
    decided_at = dt.datetime.fromisoformat(decided["verdicts"][0]["recorded_at"])
    for alert in map(json.loads, group.command("alerts", "--json", "--subject", case["subject"]["id"]).splitlines()):
        if dt.datetime.fromisoformat(alert["raised_at"]) > decided_at:
            assert dt.datetime.fromisoformat(alert["evidence"]["since"]) > decided_at
    metrics = worker.page("/metrics")
    arrivals = [line for line in metrics.splitlines() if line.startswith("volteface_last_record_timestamp_seconds{")]
    assert arrivals
    assert not [line for line in arrivals if group.settings.verdicts_topic in line]  # no rule expects them regularly
    assert (
        sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("volteface_explained_cases{"))
        == 1
    )
    assert 'volteface_case_verdicts{kind="seller.' in metrics
    assert worker.stop() == 0
