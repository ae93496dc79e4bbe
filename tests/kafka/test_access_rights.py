"""Kafka's ACLs: the documented rights are enough and all needed; a missing one is one line, and may be given later."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, get_args

import msgspec
import pytest
from kafka import KafkaProducer

from stream.bridge.start import bridge_settings, needed_rights
from stream.config import BridgeSettings
from stream.core.state.codec import META
from stream.ops import access_rights, topic_reader, topics
from stream.ops.access_rights import Command
from stream.ops.client import connection
from stream.rights import MissingRightsError, Right, described
from tests.browser import Console
from tests.kafka.authorized import Authorized, authorized_broker
from tests.kafka.bridge import BridgeProcess, make_topics, send, written_events
from tests.kafka.group import PARTITIONS, Group, Worker, argv, wait
from tests.sample_cases import seller_case

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("authorized")]

_EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
_LINE: Final = (_EXAMPLES / "review.created.v1.jsonl").read_bytes().splitlines(keepends=True)[0]
#: The arguments of each command that ends by itself.
_ARGUMENTS: Final[dict[Command, tuple[str, ...]]] = {
    "topics check": (),
    "feed": ("--input", "{source}"),
    "alerts": (),
    "cases": (),
    "verdict": (seller_case().case_id, "dismissed"),
    "watchlist": (),
    "state digest": (),
    "dlq list": (),
    "dlq replay": (),
    "unmask": ("pr-" + "0" * 32, "--reason", "test"),
    "forget": ("u1",),
    "state adopt": (),
    "state rebuild": (),
    "topics create": (),
}


@pytest.fixture(scope="module")
def kafka() -> Iterator[Authorized]:
    with authorized_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def group(kafka: Authorized, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    group = Group("acl", kafka.admin, tmp_path_factory.mktemp("acl"))
    (group.folder / "events.jsonl").write_bytes(_LINE * 3)
    case = seller_case()
    with KafkaProducer(**connection(kafka.admin)) as producer:
        producer.send(group.settings.cases_topic, key=case.case_id.encode(), value=msgspec.json.encode(case)).get(30)
    yield group
    for worker in group.workers:
        worker.kill()


def _refused(group: Group, name: str = "worker.log") -> list[str]:
    """Return what the workers, or those of another log, have written about missing rights."""
    written = (group.folder / name).read_text().splitlines()
    lines = [json.loads(line) for line in written if line.startswith("{")]  # a client warns of the password before
    return [line["error"] for line in lines if line["event"] == "refused_by_kafka"]


def _run(group: Group, command: Command, user: str, kafka: Authorized) -> subprocess.CompletedProcess[str]:
    group.kafka = kafka.settings(user)
    arguments = [each.format(source=group.folder / "events.jsonl") for each in _ARGUMENTS[command]]
    environment = group.environment | {"VOLTEFACE_PSEUDONYM_KEY": "0123456789abcdef" if command == "unmask" else ""}
    return subprocess.run(
        argv(*command.split(), *arguments), env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _waiting(found: Callable[[], list[Right]], expected: set[Right]) -> None:
    """Wait until this is missing: rights reach the broker a moment after they are changed."""
    wait(lambda: set(found()) == expected, 10, f"not exactly {expected} is missing")


def test_each_missing_right_of_a_worker_is_found(group: Group, kafka: Authorized) -> None:
    needed = access_rights.needed(group.settings, "worker")
    settings = kafka.settings("u0")

    def missing() -> list[Right]:
        return access_rights.missing(settings, needed)

    assert set(missing()) == set(needed)
    kafka.grant("u0", needed)
    _waiting(missing, set())
    for right in needed:
        kafka.revoke("u0", right)
        _waiting(missing, {right})
        kafka.grant("u0", [right])


@pytest.mark.long
def test_a_worker_waits_for_its_rights_and_needs_no_others(group: Group, kafka: Authorized) -> None:
    group.kafka = kafka.settings("u1")
    needed = access_rights.needed(group.settings, "worker")
    worker = Worker(group)
    lines = {described(group.kafka, right) for right in needed}
    wait(lambda: lines <= set(_refused(group)), 60, "the missing rights are not logged")
    assert len(_refused(group)) == len(needed)  # each once
    kafka.grant("u1", needed)
    wait(worker.ready, 30, "the worker did not start when it was given the rights")
    kafka.grant("u2", access_rights.needed(group.settings, "feed"))
    assert _run(group, "feed", "u2", kafka).returncode == 0
    worker.wait_for(3)
    for right in (Right("Read", "group", "acl"), Right("Read", "topic", group.settings.lifecycle_topic)):
        kafka.revoke("u1", right)
        line = described(kafka.settings("u1"), right)
        wait(lambda: line in _refused(group)[len(needed) :], 30, "the missing right is not logged")  # noqa: B023  # called at once
        kafka.grant("u1", [right])
        wait(worker.ready, 60, "the worker did not continue when it was given the right again")
    assert _run(group, "feed", "u2", kafka).returncode == 0
    wait(lambda: worker.events() >= 6, 30, "the worker did not continue")
    assert worker.stop() == 0


@pytest.mark.long
def test_a_command_needs_its_rights_and_no_others(group: Group, kafka: Authorized) -> None:
    assert {*_ARGUMENTS, "worker", "console"} == set(get_args(Command))
    group.kafka = kafka.admin
    group.command("feed", "--input", str(group.folder / "events.jsonl"))
    worker = Worker(group)  # `forget` needs a state
    wait(lambda: any(META in rows for rows in topic_reader.committed_state(group.settings, kafka.admin).values()), 60,
         "the worker has written no state")  # fmt: skip
    wait(worker.ready, 30, "the worker is not ready")  # else it may not handle signals yet
    assert worker.stop() == 0
    lacking = _run(group, "feed", "u3", kafka)
    lines = [described(kafka.settings("u3"), right) for right in access_rights.needed(group.settings, "feed")]
    assert (lacking.returncode, lacking.stdout) == (1, "")
    clear, *said = lacking.stderr.splitlines()
    assert clear.startswith("KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT: the connection to Kafka is not encrypted")
    assert said == [f"MissingRightsError: {lines[0]}", *lines[1:]]
    for number, command in enumerate(_ARGUMENTS, start=4):
        settings, needed = kafka.settings(f"u{number}"), access_rights.needed(group.settings, command)
        reported = {right for right in needed if right.resource != "cluster"}
        assert set(access_rights.missing(settings, needed)) == reported, command
        kafka.grant(f"u{number}", needed)
        _waiting(lambda: access_rights.missing(settings, needed), set())  # noqa: B023  # called at once
        done = _run(group, command, f"u{number}", kafka)
        if command == "verdict":  # the case is of a replayed market, whose time follows from the input topics
            assert "by the newest case: the input topics cannot be read by this user" in done.stderr
        # The pseudonym is in no topic, which is what `unmask` says after it has read all of them.
        assert done.returncode == (command == "unmask"), (command, done.stderr)
        assert "Error" not in done.stderr, (command, done.stderr)


@pytest.mark.long
def test_a_console_needs_its_rights_and_no_others(group: Group, kafka: Authorized, tmp_path: Path) -> None:
    needed = access_rights.needed(group.settings, "console")
    group.kafka = kafka.settings("u29")
    console = Console(tmp_path, group.environment)
    try:
        assert console.process.wait(60) == 1
        error = json.loads(console.log.read_text().splitlines()[-1])["error"]
        assert all(described(group.kafka, right) in error for right in needed), error
        kafka.grant("u29", needed)
        _waiting(lambda: access_rights.missing(group.kafka, needed), set())
        console = Console(tmp_path, group.environment)
        console.wait()
        assert console.stop() == 0
    finally:
        console.kill()


@pytest.mark.long
def test_a_bridge_waits_for_its_rights_and_needs_no_others(group: Group, kafka: Authorized) -> None:
    group.kafka = kafka.admin
    source = "shop.public.messages"
    make_topics(group, {source: 1})
    mapping = group.folder / "mapping.toml"
    mapping.write_text(f"[[table]]\ntopic = '{source}'\nevents = 'outreach.sent'\nrecord = 'row'\n")
    needed = needed_rights(bridge_settings(group.settings, BridgeSettings()), [source])
    group.kafka = kafka.settings("u27")
    bridge = BridgeProcess(group, mapping)
    try:
        lines = {described(group.kafka, right) for right in needed}
        wait(lambda: lines <= set(_refused(group, "bridge.log")), 60, "the missing rights are not logged")
        assert len(_refused(group, "bridge.log")) == len(needed)  # each once
        kafka.grant("u27", needed)
        wait(bridge.ready, 60, "the bridge did not start when it was given the rights")
        group.kafka = kafka.admin
        row = json.loads((_EXAMPLES / "outreach.sent.v1.jsonl").read_bytes().splitlines()[0])
        del row["type"], row["event_id"]
        send(group, source, [(0, (b"1", json.dumps(row).encode(), [])), (0, (b"2", b"no row", []))])
        wait(lambda: bridge.records() == 2, 60, "the bridge did not write")
        assert bridge.metric("volteface_bridge_refused_total") == 1  # a dead letter may be written, too
        assert {topic for topic, _, _ in written_events(group)} >= {group.settings.outreach_topic}
        group.kafka = kafka.settings("u27")
        before = len(_refused(group, "bridge.log"))
        for right in (Right("Read", "topic", source), Right("Write", "topic", group.settings.outreach_topic)):
            kafka.revoke("u27", right)
            _waiting(lambda: access_rights.missing(group.kafka, needed), {right})  # called at once
            line = described(group.kafka, right)
            group.kafka = kafka.admin
            row["occurred_at"] = "2025-04-01T00:00:00Z"
            send(group, source, [(0, (right.operation.encode(), json.dumps(row).encode(), []))])
            group.kafka = kafka.settings("u27")
            wait(lambda: line in _refused(group, "bridge.log")[before:], 60, "the missing right is not logged")  # noqa: B023
            kafka.grant("u27", [right])
            wait(bridge.ready, 60, "the bridge did not continue when it was given the right again")
        wait(lambda: bridge.records() == 4, 60, "the bridge did not continue")
        assert bridge.stop() == 0
    finally:
        bridge.kill()


def test_who_may_write_the_inputs_and_not_read_them_dates_events_by_the_newest_case(
    group: Group, kafka: Authorized
) -> None:
    """A producer sees the input topics, but may not read them."""
    with KafkaProducer(**connection(kafka.admin)) as producer:
        key = json.loads(_LINE)["seller_id"].encode()
        producer.send(group.settings.lifecycle_topic, key=key, value=_LINE).get(30)
    needed = [*access_rights.needed(group.settings, "verdict"), *access_rights.needed(group.settings, "feed")]
    kafka.grant("u28", needed)
    _waiting(lambda: access_rights.missing(kafka.settings("u28"), needed), set())
    done = _run(group, "verdict", "u28", kafka)
    assert done.returncode == 0
    assert "by the newest case: the input topics cannot be read by this user" in done.stderr


def test_topics_are_created_with_the_right_to_create_them(group: Group, kafka: Authorized) -> None:
    settings = group.settings.model_copy(update={"app_id": "acl-new"})
    *topic_rights, create = access_rights.needed(settings, "topics create")
    kafka.grant("u20", topic_rights)
    user = kafka.settings("u20")
    _waiting(lambda: access_rights.missing(user, topic_rights), set())
    with pytest.raises(MissingRightsError, match="User:u20 lacks the right Create on cluster: run"):
        topics.create(settings, user, PARTITIONS)
    kafka.grant("u20", [create])
    made: list[str] = []

    def created() -> bool:
        with suppress(MissingRightsError):  # the right has not arrived yet
            made.extend(topics.create(settings, user, PARTITIONS).made)
        return bool(made)

    wait(created, 10, "the topics were not created")
    assert made == [settings.state_topic]
