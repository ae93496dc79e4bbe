"""Reviewers on a real Kafka: two workers, one killed, name the extortionists of a replay; a verdict; an erasure."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import msgspec
import pytest

from stream.contract.cases import Case
from stream.core.state import codec
from stream.market import simulate
from stream.ops import topic_reader
from tests.kafka.group import Group, Worker, replay, wait

pytestmark = pytest.mark.kafka


def _cases(group: Group) -> dict[str, Case]:
    """Return the cases of the topic as it is now."""
    found: dict[str, Case] = {}
    for record in topic_reader.read(group.kafka, group.settings.cases_topic):
        name = (record.key or b"").decode()
        if record.value is None:
            found.pop(name, None)
        else:
            found[name] = msgspec.json.decode(record.value, type=Case)
    return found


def _rows_with(group: Group, text: str) -> list[bytes]:
    """Return the keys of the state's rows that hold a text."""
    rows = topic_reader.committed_state(group.settings, group.kafka).values()
    wanted = text.encode()
    return [key for each in rows for key, value in each.items() if wanted in key or wanted in value]


def test_extortionists_are_named_over_all_tasks_decided_and_erased(
    group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLTEFACE_REVIEWER_WATCH", "ids")
    monkeypatch.setenv("VOLTEFACE_ALERT_BUDGET", "1000")  # even odds, so that some victims have cases
    group.settings = group.settings.model_copy(update={"reviewer_watch": "ids", "alert_budget": 1000.0})
    events, truth = tmp_path / "market.jsonl", tmp_path / "truth.jsonl"
    total = simulate.write("extortion", 5, 80, 200, events, truth)
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    extortionists = {row["reviewer_id"] for row in rows if row.get("row") == "extortionist"}
    expected, ids = replay(events, tmp_path)
    group.command("feed", "--input", str(events))
    first, second = Worker(group), Worker(group)
    wait(lambda: first.events() + second.events() > total // 3, 90, "no event was done")
    first.kill()
    second.wait_for(total // 2)
    group.wait_for_state(expected)
    group.assert_equals(expected, ids)

    cases = _cases(group)
    reviewers = {case.subject.id: case for case in cases.values() if case.subject.type == "reviewer"}
    assert reviewers.keys() == extortionists
    favoured = [case for case in cases.values() if case.extorted]
    assert {one.reviewer_id for case in favoured for one in case.extorted} <= extortionists
    assert favoured

    name, case = next(iter(sorted(reviewers.items())))
    at = max(one.updated_at for one in cases.values()) + dt.timedelta(days=1)
    arguments = ("confirmed", "--analyst", "ana", "--note", "It asked three sellers for money.")
    group.command("verdict", case.case_id, *arguments, "--at", at.isoformat())
    wait(lambda: _cases(group)[case.case_id].state == "decided", 60, "the verdict is not in the case")

    assert _rows_with(group, name)
    group.command("forget", name, "--reason", "request 12")
    wait(lambda: not _rows_with(group, name), 60, "rows still hold the erased reviewer")
    assert case.case_id not in _cases(group)
    assert not any(name in str(one) for one in _cases(group).values())
    assert second.stop() == 0

    monkeypatch.setenv("VOLTEFACE_REVIEWER_WATCH", "off")
    group.command("state", "adopt")

    def kept() -> list[bytes]:
        return [key for key in _rows_with(group, "") if key[:2] in {codec.TASK_REVIEWER, codec.REVIEWER_HISTORY}]

    assert kept()
    third = Worker(group)  # no event comes
    wait(lambda: not kept(), 60, "the tasks have not written that they have erased the reviewers")
    assert third.stop() == 0
