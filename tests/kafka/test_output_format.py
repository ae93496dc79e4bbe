"""Alerts and cases in Avro with a real schema registry (Apicurio): the same documents as in JSON, for every reader."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import fastavro
import msgspec
import pytest
from kafka import KafkaProducer

from stream.config import Settings
from stream.console.source.follower import Follower
from stream.console.source.read_model import ReadModel
from stream.contract.avro_schemas import avro_schema, schema_text
from stream.contract.cases import Case
from stream.contract.events import CaseSubject, VerdictRecorded
from stream.intake.confluent_format import framed
from stream.market import simulate
from stream.ops import topic_reader
from stream.ops.client import connection
from tests.kafka.cases import by_id
from tests.kafka.group import Group, Market, Worker, argv, replay, wait
from tests.kafka.registry import ApicurioRegistry, Link

pytestmark = pytest.mark.kafka

_STATES: Final = [word for state in ("open", "decided", "appealed", "closed") for word in ("--state", state)]
Avro = Callable[[str], None]


@pytest.fixture(scope="module")
def registry() -> Iterator[ApicurioRegistry]:
    with ApicurioRegistry() as started:
        yield started


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A market with alerts on sellers and on staff, and its replay: its result in JSON."""
    folder = tmp_path_factory.mktemp("access")
    total = simulate.write("access", 3, 100, 200, folder / "market.jsonl", folder / "truth.jsonl")
    return Market(folder / "market.jsonl", total, {}, *replay(folder / "market.jsonl", folder))


@pytest.fixture
def avro(monkeypatch: pytest.MonkeyPatch) -> Avro:
    def use(url: str) -> None:
        monkeypatch.setenv("VOLTEFACE_OUTPUT_FORMAT", "avro")
        monkeypatch.setenv("VOLTEFACE_SCHEMA_REGISTRY_URL", url)

    return use


def _logged(group: Group, event: str) -> bool:
    return f'"event": "{event}"' in (group.folder / "worker.log").read_text().replace('"event":"', '"event": "')


def _as_any_consumer_reads(registry: ApicurioRegistry, value: bytes) -> dict[str, Any]:
    """Return a record's document with nothing of Volteface: the registry's schema and fastavro."""
    assert value[0] == 0
    schema = json.loads(registry.request(f"schemas/ids/{int.from_bytes(value[1:5], 'big')}")["schema"])
    body = BytesIO(value[5:])
    found: Any = fastavro.schemaless_reader(body, fastavro.parse_schema(schema), None)
    assert body.tell() == len(value) - 5
    document: dict[str, Any] = msgspec.to_builtins(found)  # times as text
    points = document["evidence"]["series"]
    document["evidence"]["series"] = [[point["at"], point["flips"], point["expected"]] for point in points]
    return document


def _refused(group: Group, more: dict[str, str]) -> str:
    """Return the one line with which `volteface alerts` ends."""
    done = subprocess.run(
        argv("alerts"),
        env=group.environment | more, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


def _undetected(alert: dict[str, Any]) -> dict[str, Any]:
    return {**alert, "detected_at": None}


def _by_alert_id(alerts: Iterator[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {alert["alert_id"]: _undetected(alert) for alert in alerts}


def _in_json(market: Market, name: str) -> list[str]:
    """Return the lines of a file of the market's replay."""
    return (market.events.parent / name).read_text().splitlines()


@pytest.mark.long
def test_alerts_and_cases_in_avro_are_those_in_json(
    group: Group, market: Market, registry: ApicurioRegistry, avro: Avro
) -> None:
    link = Link(registry)
    avro(link.url)
    group.command("feed", "--input", str(market.events))
    worker = Worker(group)
    wait(lambda: _logged(group, "schema_registry_away"), 60, "no line about the wait")
    assert not _logged(group, "worker_started")
    link.open()
    wait(lambda: _logged(group, "worker_started"), 60, "the worker does not start")
    link.cut()  # it has written nothing yet, and from here on needs no registry
    worker.wait_for(market.total, seconds=120)
    group.wait_for_state(market.expected)
    assert worker.stop() == 0
    link.open()

    settings = group.settings
    found = [record.value for record in topic_reader.read(group.kafka, settings.alerts_topic)]
    documents = _by_alert_id(_as_any_consumer_reads(registry, value) for value in found)
    assert documents == _by_alert_id(map(json.loads, _in_json(market, "alerts.jsonl")))
    assert len(found) == len(documents) > 0
    latest = {record.key: record.value for record in topic_reader.read(group.kafka, settings.cases_topic)}
    cases = [json.dumps(_as_any_consumer_reads(registry, value)) for value in latest.values()]
    assert by_id(cases) == by_id(_in_json(market, "cases.jsonl"))

    group.assert_equals(market.expected, market.alert_ids)  # with `volteface alerts`
    link.cut()
    for url, text in (("", "VOLTEFACE_SCHEMA_REGISTRY_URL is not set: "), (link.url, "gives no schema ")):
        assert text in _refused(group, {"VOLTEFACE_OUTPUT_FORMAT": "json", "VOLTEFACE_SCHEMA_REGISTRY_URL": url})
    link.open()
    assert by_id(group.command("cases", "--json", *_STATES).splitlines()) == by_id(_in_json(market, "cases.jsonl"))


def _decide_in_avro(group: Group, registry: ApicurioRegistry, case: Case, at: dt.datetime) -> VerdictRecorded:
    """Write a verdict as a program with an Avro serializer does."""
    verdict = VerdictRecorded(
        event_id="verdict-in-avro", occurred_at=at, case_id=case.case_id,
        subject=CaseSubject("seller", case.subject.id), verdict="confirmed", analyst_id="ana", note="Seen.",
    )  # fmt: skip
    schema_id = registry.register(f"{group.settings.verdicts_topic}-value", schema_text(VerdictRecorded))
    body = BytesIO()
    fields = msgspec.to_builtins(verdict) | {"occurred_at": verdict.occurred_at}
    fastavro.schemaless_writer(body, fastavro.parse_schema(avro_schema(VerdictRecorded)), fields)
    producer = KafkaProducer(**connection(group.kafka))
    key, value = case.subject.id.encode(), framed(schema_id, body.getvalue())
    producer.send(group.settings.verdicts_topic, key=key, value=value).get(30)
    producer.close()
    return verdict


def _read_by_console(
    group: Group, registry: ApicurioRegistry, folder: Path, verdict: VerdictRecorded
) -> dict[str, Any]:
    """Return the cases that the console shows; it must have read every record, the verdict in Avro, too."""
    more = {"schema_registry_url": registry.url, "input_format": "verdicts=confluent"}
    settings = Settings.model_validate(group.settings.model_dump() | more)
    names = [record.key.decode() for record in topic_reader.read(group.kafka, settings.cases_topic)]
    model = ReadModel(folder / "cases.sqlite")
    follower = Follower(settings, group.kafka, model, lambda changed: None)
    follower.start()
    try:
        wait(lambda: follower.problem is None, 30, "the console has not read everything")
        assert follower.refused == 0
        assert verdict in [found.event for found in model.events_of(verdict.case_id)]
        return by_id(msgspec.json.encode(model.case(name)) for name in names)
    finally:
        follower.stop()


@pytest.mark.long
def test_the_format_may_change_amid_life_and_verdicts_may_come_in_avro(
    group: Group,
    market: Market,
    registry: ApicurioRegistry,
    avro: Avro,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("VOLTEFACE_INPUT_FORMAT", "verdicts=confluent")
    monkeypatch.setenv("VOLTEFACE_SCHEMA_REGISTRY_URL", registry.url)
    group.command("feed", "--input", str(market.events))
    before = Worker(group)
    before.wait_for(int(0.6 * market.total))
    before.kill()
    avro(registry.url)
    worker = Worker(group)
    worker.wait_for(market.total, seconds=120)
    group.wait_for_state(market.expected)
    firsts = [record.value[:1] for record in topic_reader.read(group.kafka, group.settings.alerts_topic)]
    assert set(firsts) == {b"{", b"\x00"}
    group.assert_equals(market.expected, market.alert_ids)

    def cases() -> dict[str, Any]:
        return by_id(group.command("cases", "--json", *_STATES).splitlines())

    sellers = [case for case in cases().values() if case["subject"]["type"] == "seller"]
    first, second = (msgspec.convert(case, Case) for case in sellers[:2])
    end = msgspec.json.decode(market.events.read_bytes().splitlines()[-1])["occurred_at"]
    verdict = _decide_in_avro(group, registry, first, dt.datetime.fromisoformat(end))
    group.command("verdict", second.case_id, "confirmed", "--note", "In JSON.")
    decided = {first.case_id, second.case_id}
    wait(lambda: all(cases()[name]["state"] == "decided" for name in decided), 60, "the verdicts were not applied")
    assert worker.stop() == 0
    assert cases()[first.case_id]["verdicts"][0]["event_id"] == verdict.event_id
    assert _read_by_console(group, registry, tmp_path, verdict) == cases()
