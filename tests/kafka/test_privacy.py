"""With a pseudonym key no output topic holds an original id; `unmask` finds one and leaves an audit record."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType
from pydantic import SecretStr

from stream.core.model.encoding import decode
from stream.core.state import codec
from stream.core.state.rows import ReviewRow
from stream.intake.pseudonyms import pseudonyms_of
from stream.market import simulate
from stream.ops import topic_reader
from stream.ops.client import connection
from tests.kafka.group import Group, Worker, argv, fatal_errors, replay, wait

pytestmark = pytest.mark.kafka

KEY = "kept in no topic and in no log"
#: Part of each original id, and of nothing else.
MARK = "natural-person-"


@pytest.fixture
def keyed_group(group: Group, monkeypatch: pytest.MonkeyPatch) -> Group:
    """A group whose workers and commands have the pseudonym key."""
    monkeypatch.setenv("VOLTEFACE_PSEUDONYM_KEY", KEY)
    group.settings = group.settings.model_copy(update={"pseudonym_key": SecretStr(KEY)})
    return group


def _market(path: Path) -> int:
    """Write events in which staff are accused at a large alert budget, with marked ids; return their number."""
    events, _ = simulate.market("access", 3, 16, 90)
    with path.open("w") as out:
        for event in events:
            marked = {name: MARK + event[name] for name in ("reviewer_id", "actor_id") if name in event}
            out.write(json.dumps(event | marked) + "\n")
    return len(events)


def _bytes(group: Group, topic: str) -> bytes:
    """Return the keys, values and header values of a topic's records."""

    def parts() -> Iterator[bytes]:
        for record in topic_reader.read(group.kafka, topic):
            yield from (record.key or b"", record.value or b"")
            yield from (content or b"" for _, content in record.headers)

    return b"\n".join(parts())


def _audit(group: Group, reason: str) -> list[dict[str, Any]]:
    records = (json.loads(record.value) for record in topic_reader.read(group.kafka, group.settings.audit_topic))
    return [record for record in records if record["reason"] == reason]


def _refused(group: Group, environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        argv(*arguments), env=group.environment | environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _authors(group: Group) -> list[str]:
    """The reviewers of the latest rows of reviews."""
    return [
        decode(value, ReviewRow).reviewer_id
        for rows in topic_reader.committed_state(group.settings, group.kafka).values()
        for key, value in rows.items()
        if key[:2] == codec.REVIEW
    ]


def _assert_a_wrong_key_erases_nothing(group: Group, reviewer_id: str) -> None:
    def messages() -> int:
        return len(list(topic_reader.read(group.kafka, group.settings.evidence_topic)))

    before = messages()
    different = {"": "set where it is not now", "another key, as long": "another VOLTEFACE_PSEUDONYM_KEY"}
    for key, text in different.items():
        arguments = ("forget", reviewer_id, "--reason", "wrong key")
        code, stdout, stderr = _refused(group, {"VOLTEFACE_PSEUDONYM_KEY": key}, *arguments)
        assert (code, stdout, stderr.count("\n")) == (1, "", 1)
        assert stderr.startswith("ErasureError: nothing was erased: the state of group ")
        assert text in stderr
    assert _audit(group, "wrong key") == []
    assert messages() == before


def _forget(group: Group, given: str, pseudonym: str, reason: str) -> None:
    """Erase a reviewer, who is given by its id or its pseudonym."""
    group.command("forget", given, "--reason", reason)
    wait(lambda: pseudonym not in _authors(group), 30, "the tasks have not removed the reviewer")
    (line,) = _audit(group, reason)
    assert (line["action"], line["pseudonyms"]) == ("forget", [pseudonym])
    rows = topic_reader.committed_state(group.settings, group.kafka)
    assert not any(pseudonym.encode() in key + value for each in rows.values() for key, value in each.items())


def test_no_original_id_is_stored_and_unmask_and_forget_work(
    keyed_group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, events = keyed_group, tmp_path / "events.jsonl"
    monkeypatch.setenv("VOLTEFACE_ALERT_BUDGET", "1000")
    total = _market(events)
    expected, ids = replay(events, tmp_path)
    group.command("feed", "--input", str(events))
    worker = Worker(group)
    worker.wait_for(total)
    group.wait_for_state(expected)
    group.assert_equals(expected, ids)
    settings, hashing = group.settings, pseudonyms_of(group.settings)
    assert hashing
    alerts = topic_reader.alerts(settings, group.kafka)
    staff = {alert.subject.id for alert in alerts if alert.subject.type == "staff"}
    assert all(name.startswith("ps-") for name in staff)
    contents = {
        topic: _bytes(group, topic) for topic in (settings.state_topic, settings.evidence_topic, settings.alerts_topic)
    }
    for topic, content in contents.items():
        assert b"ps-" in content, topic
        assert MARK.encode() not in content, topic
        assert KEY.encode() not in content, topic
    assert b"pr-" in contents[settings.state_topic]
    assert MARK.encode() in _bytes(group, settings.access_topic)  # the search finds the mark where it is

    forgotten, accused = min(_authors(group)), min(staff)
    found = group.command("unmask", forgotten, accused, "--reason", "case 7").splitlines()
    unmasked = {line["pseudonym"]: (line["kind"], line["id"]) for line in map(json.loads, found)}
    assert {pseudonym: kind for pseudonym, (kind, _) in unmasked.items()} == {forgotten: "reviewer", accused: "staff"}
    reviewer_id = unmasked[forgotten][1]
    assert reviewer_id.startswith(MARK)
    assert hashing.of_reviewer(reviewer_id) == forgotten
    assert hashing.of_staff(unmasked[accused][1]) == accused
    (line,) = _audit(group, "case 7")
    assert line["action"] == "unmask"
    assert line["pseudonyms"] == sorted([forgotten, accused])
    assert all(line[field] for field in ("who", "host", "at"))

    _assert_a_wrong_key_erases_nothing(group, reviewer_id)
    shown = min(name for name in _authors(group) if name != forgotten)  # as a case shows it
    for given, pseudonym, reason in ((reviewer_id, forgotten, "request 8"), (shown, shown, "request 9")):
        _forget(group, given, pseudonym, reason)
        assert worker.events() == total
    assert worker.stop() == 0
    group.command("state", "digest")  # the rewritten rows can be restored
    logged = (tmp_path / "worker.log").read_text()
    assert MARK not in logged
    assert KEY not in logged


def test_unmask_prints_nothing_without_an_audit_record(keyed_group: Group, tmp_path: Path) -> None:
    group, events = keyed_group, tmp_path / "events.jsonl"
    event = {"type": "review.created", "event_id": "e", "occurred_at": "2025-01-01T00:00:00Z", "seller_id": "s"}
    events.write_text(json.dumps(event | {"review_id": "r", "product_id": "p", "reviewer_id": "jane", "rating": 1}))
    group.command("feed", "--input", str(events))
    hashing = pseudonyms_of(group.settings)
    assert hashing
    jane = hashing.of_reviewer("jane")
    arguments = ("unmask", jane, "--reason", "curious")
    assert json.loads(group.command(*arguments)) == {"pseudonym": jane, "kind": "reviewer", "id": "jane"}
    code, stdout, stderr = _refused(group, {"VOLTEFACE_AUDIT_TOPIC": "no.such.topic"}, *arguments)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(
        "AuditError: nothing was done, because topic no.such.topic did not accept the audit record"
    )
    assert stderr.count("\n") == 1
    code, stdout, stderr = _refused(group, {"VOLTEFACE_PSEUDONYM_KEY": ""}, *arguments)
    assert (code, stdout) == (2, "")
    assert stderr == "SettingsError: VOLTEFACE_PSEUDONYM_KEY is not set: without it there are no pseudonyms to unmask\n"
    code, stdout, stderr = _refused(group, {}, "forget", "jane", "--reason", "no state")
    assert (code, stdout) == (1, "")
    assert "has applied an event, so none keeps a reviewer" in stderr
    assert _audit(group, "no state") == []
    unknown = hashing.of_staff("unknown")
    code, stdout, stderr = _refused(group, {}, "unmask", unknown, "--reason", "who")
    assert (code, stdout) == (1, "")
    assert unknown in stderr
    assert len(_audit(group, "curious")) == 1


def test_erased_rows_are_compacted_within_a_week_and_the_audit_is_kept(group: Group) -> None:
    settings, state = group.settings, {"cleanup.policy": "compact", "max.compaction.lag.ms": str(7 * 86_400_000)}
    expected = {settings.state_topic: state, settings.audit_topic: {"cleanup.policy": "delete", "retention.ms": "-1"}}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in expected]
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        configs = admin.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"]
        (audit,) = admin.describe_topics([settings.audit_topic])
    found = {topic: {name: configs[topic][name]["value"] for name in names} for topic, names in expected.items()}
    assert found == expected
    assert len(audit["partitions"]) == 1


@pytest.mark.long
def test_a_worker_with_another_key_ends_and_writes_nothing(group: Group, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    event = {"type": "review.created", "occurred_at": "2025-01-01T00:00:00Z", "product_id": "p", "rating": 1}
    ids = ({"event_id": f"e{n}", "seller_id": f"s{n}", "review_id": f"r{n}", "reviewer_id": "u"} for n in range(40))
    events.write_text("".join(json.dumps(event | each) + "\n" for each in ids))
    group.command("feed", "--input", str(events))
    worker = Worker(group)
    worker.wait_for(40)
    assert worker.stop() == 0
    before, environment = topic_reader.committed_state(group.settings, group.kafka), group.environment
    assert len(before) == 4  # a task without rows would start with an empty state

    done = subprocess.run(
        argv("worker"),
        env=environment | {"VOLTEFACE_PSEUDONYM_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    errors = fatal_errors(done.stderr)
    assert errors == [
        "StateError: the state topic was written with VOLTEFACE_PSEUDONYM_KEY not set where it is now; go back to what "
        'wrote it, or start under another VOLTEFACE_APP_ID: see docs/operations.md, "Upgrade and roll-back"'
    ], done.stderr
    assert KEY not in done.stderr
    code, stdout, stderr = _refused(group, {"VOLTEFACE_PSEUDONYM_KEY": KEY}, "state", "digest")
    assert (code, stdout, stderr.splitlines()) == (1, "", errors)
    assert topic_reader.committed_state(group.settings, group.kafka) == before
    restarted = Worker(group)
    wait(restarted.ready, 60, "a worker with the former settings does not restore its state")
    assert restarted.stop() == 0
