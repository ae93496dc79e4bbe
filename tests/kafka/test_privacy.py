"""With a key no topic of ours names a reviewer or a member of staff; who has to know can ask, and leaves a trace."""

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

from stream.core import codec
from stream.core.rows import ReviewRow
from stream.intake.pseudonyms import pseudonyms_of
from stream.market import simulate
from stream.ops import mailbox
from stream.ops.client import connection
from tests.kafka.group import Group, Worker, argv, replay, wait

pytestmark = pytest.mark.kafka

KEY = "kept in no topic and in no log"
#: Stands in each original id, and nowhere else.
MARK = "natural-person-"


@pytest.fixture
def secretive(group: Group, monkeypatch: pytest.MonkeyPatch) -> Group:
    """Its workers and commands have the key."""
    monkeypatch.setenv("VOLTEFACE_PSEUDONYM_KEY", KEY)
    group.settings = group.settings.model_copy(update={"pseudonym_key": SecretStr(KEY)})
    return group


def _market(path: Path) -> int:
    """Events in which staff are accused where alarms are cheap, under ids that can be told from all else."""
    events, _ = simulate.market("access", 3, 16, 90)
    with path.open("w") as out:
        for event in events:
            marked = {name: MARK + event[name] for name in ("reviewer_id", "actor_id") if name in event}
            out.write(json.dumps(event | marked) + "\n")
    return len(events)


def _bytes(group: Group, topic: str) -> bytes:
    """All that a topic's records hold."""

    def parts() -> Iterator[bytes]:
        for record in mailbox.read(group.kafka, topic):
            yield from (record.key or b"", record.value or b"")
            yield from (content or b"" for _, content in record.headers)

    return b"\n".join(parts())


def _audit(group: Group, reason: str) -> list[dict[str, Any]]:
    records = (json.loads(record.value) for record in mailbox.read(group.kafka, group.settings.audit_topic))
    return [one for one in records if one["reason"] == reason]


def _refused(group: Group, environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        argv(*arguments), env=group.environment | environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _authors(group: Group) -> list[str]:
    """The reviewers of the latest rows of reviews."""
    return [
        codec.decode(value, ReviewRow).reviewer_id
        for rows in mailbox.committed_state(group.settings, group.kafka).values()
        for key, value in rows.items()
        if key[:2] == codec.REVIEW
    ]


def test_nobody_is_named_some_can_be_unmasked_and_one_is_forgotten(
    secretive: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, events = secretive, tmp_path / "events.jsonl"
    monkeypatch.setenv("VOLTEFACE_ALERT_BUDGET", "1000")
    total = _market(events)
    expected, ids = replay(events, tmp_path)
    group.command("feed", "--input", str(events))
    worker = Worker(group)
    worker.wait_for(total)
    group.settle(expected)
    group.assert_equals(expected, ids)
    settings, hashing = group.settings, pseudonyms_of(group.settings)
    assert hashing
    staff = {one.subject.id for one in mailbox.alerts(settings, group.kafka) if one.subject.type == "staff"}
    assert all(one.startswith("ps-") for one in staff)
    held = {
        topic: _bytes(group, topic) for topic in (settings.state_topic, settings.evidence_topic, settings.alerts_topic)
    }
    for topic, content in held.items():
        assert b"ps-" in content, topic
        assert MARK.encode() not in content, topic
        assert KEY.encode() not in content, topic
    assert b"pr-" in held[settings.state_topic]
    assert MARK.encode() in _bytes(group, settings.access_topic)  # or nothing above would have been found

    gone, accused = min(_authors(group)), min(staff)
    found = group.command("unmask", gone, accused, "--reason", "case 7").splitlines()
    shown = {one["pseudonym"]: (one["kind"], one["id"]) for one in map(json.loads, found)}
    assert {pseudonym: kind for pseudonym, (kind, _) in shown.items()} == {gone: "reviewer", accused: "staff"}
    reviewer_id = shown[gone][1]
    assert reviewer_id.startswith(MARK)
    assert hashing.of_reviewer(reviewer_id) == gone
    assert hashing.of_staff(shown[accused][1]) == accused
    (line,) = _audit(group, "case 7")
    assert line["action"] == "unmask"
    assert line["pseudonyms"] == sorted([gone, accused])
    assert all(line[field] for field in ("who", "host", "at"))

    group.command("forget", reviewer_id, "--reason", "request 8")
    wait(lambda: gone not in _authors(group), 30, "the tasks have not forgotten")
    assert worker.events() == total
    (line,) = _audit(group, "request 8")
    assert (line["action"], line["pseudonyms"]) == ("forget", [gone])
    rows = mailbox.committed_state(settings, group.kafka)
    assert not any(gone.encode() in key + value for each in rows.values() for key, value in each.items())
    assert worker.stop() == 0
    group.command("state", "digest")  # what was rewritten can be restored
    logged = (tmp_path / "worker.log").read_text()
    assert MARK not in logged
    assert KEY not in logged


def test_nothing_is_told_that_was_not_written_down(secretive: Group, tmp_path: Path) -> None:
    group, events = secretive, tmp_path / "events.jsonl"
    event = {"type": "review.created", "event_id": "e", "occurred_at": "2025-01-01T00:00:00Z", "seller_id": "s"}
    events.write_text(json.dumps(event | {"review_id": "r", "product_id": "p", "reviewer_id": "jane", "rating": 1}))
    group.command("feed", "--input", str(events))
    hashing = pseudonyms_of(group.settings)
    assert hashing
    jane = hashing.of_reviewer("jane")
    asked = ("unmask", jane, "--reason", "curious")
    assert json.loads(group.command(*asked)) == {"pseudonym": jane, "kind": "reviewer", "id": "jane"}
    code, told, said = _refused(group, {"VOLTEFACE_AUDIT_TOPIC": "no.such.topic"}, *asked)
    assert (code, told) == (1, "")
    assert said.startswith("AuditError: nothing is done, for topic no.such.topic did not take the record of it")
    assert said.count("\n") == 1
    code, told, said = _refused(group, {"VOLTEFACE_PSEUDONYM_KEY": ""}, *asked)
    assert (code, told) == (2, "")
    assert said == "SettingsError: VOLTEFACE_PSEUDONYM_KEY is not set: without it there are no pseudonyms to unmask\n"
    nobody = hashing.of_staff("nobody")
    code, told, said = _refused(group, {}, "unmask", nobody, "--reason", "who")
    assert (code, told) == (1, "")
    assert nobody in said
    assert len(_audit(group, "curious")) == 1


def test_what_was_erased_is_compacted_soon_and_the_audit_is_kept(group: Group) -> None:
    settings, wanted = group.settings, {"cleanup.policy": "compact", "max.compaction.lag.ms": str(7 * 86_400_000)}
    expected = {settings.state_topic: wanted, settings.audit_topic: {"cleanup.policy": "delete", "retention.ms": "-1"}}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in expected]
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        told = admin.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"]
        (audit,) = admin.describe_topics([settings.audit_topic])
    found = {topic: {name: told[topic][name]["value"] for name in names} for topic, names in expected.items()}
    assert found == expected
    assert len(audit["partitions"]) == 1


def test_a_worker_that_finds_anothers_state_ends_and_writes_nothing(group: Group, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    event = {"type": "review.created", "occurred_at": "2025-01-01T00:00:00Z", "product_id": "p", "rating": 1}
    ids = ({"event_id": f"e{n}", "seller_id": f"s{n}", "review_id": f"r{n}", "reviewer_id": "u"} for n in range(40))
    events.write_text("".join(json.dumps(event | each) + "\n" for each in ids))
    group.command("feed", "--input", str(events))
    worker = Worker(group)
    worker.wait_for(40)
    assert worker.stop() == 0
    before, named = mailbox.committed_state(group.settings, group.kafka), group.environment
    assert len(before) == 4  # a partition without rows would be begun anew

    done = subprocess.run(
        argv("worker"),
        env=named | {"VOLTEFACE_PSEUDONYM_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    plain = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert {*plain} == {
        "StateError: the state topic was written with VOLTEFACE_PSEUDONYM_KEY not set where it is now; go back to what "
        'wrote it, or start under another VOLTEFACE_APP_ID: see docs/operations.md, "Upgrade and roll-back"'
    }, done.stderr
    assert len(plain) == 1
    assert KEY not in done.stderr
    code, told, said = _refused(group, {"VOLTEFACE_PSEUDONYM_KEY": KEY}, "state", "digest")
    assert (code, told, said.splitlines()) == (1, "", plain)
    assert mailbox.committed_state(group.settings, group.kafka) == before
    again = Worker(group)
    wait(again.ready, 60, "the former worker does not find its state")
    assert again.stop() == 0
