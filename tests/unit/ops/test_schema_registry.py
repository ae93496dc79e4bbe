"""The registry's client: which answers are a schema, which say that there is none, and which say nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from stream.config import KafkaSettings, Settings, SettingsError
from stream.contract.alerts import Alert
from stream.contract.avro_schemas import schema_text
from stream.contract.cases import Case
from stream.contract.events import ReviewCreated
from stream.doctor.kafka_checks import guarded
from stream.doctor.schema_checks import check_output_schemas
from stream.intake.avro_schema import AvroSchema
from stream.intake.schema_cache import JsonSchema, RegisteredSchema, RegistryError, UnusableSchema
from stream.ops.input_records import InputRecords
from stream.ops.output_schemas import wait_for_ids
from stream.ops.schema_registry import SchemaRegistry

GUID: Final = UUID("8acf3b12-27a4-44dc-a2f8-696fcd0127f2")
CREATED: Final = schema_text(ReviewCreated)


class Answers:
    """An HTTP server with fixed answers by path: status and document."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.posted: list[tuple[str, Any]] = []
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.asked.append((self.path, self.headers.get("Authorization")))
                self._answer(*answers.answers.get(self.path, (404, b"")))

            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answers.posted.append((self.path, sent))
                self._answer(*answers.answers.get(self.path, (404, b"")))

            def _answer(self, status: int, document: Any) -> None:
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the base class
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/api"


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def settings_of(answers: Answers, **more: Any) -> Settings:
    return Settings.model_validate({"schema_registry_url": answers.url, "input_format": "confluent"} | more)


def ask(answers: Answers, schema_id: int | UUID, **more: Any) -> RegisteredSchema | None:
    async def run() -> RegisteredSchema | None:
        registry = SchemaRegistry(settings_of(answers, **more))
        try:
            return await registry.schema(schema_id)
        finally:
            await registry.close()

    return asyncio.run(run())


def test_schemas_of_each_type(answers: Answers) -> None:
    answers.answers = {
        "/api/schemas/ids/1": (200, {"schema": CREATED}),
        "/api/schemas/ids/2": (200, {"schema": "{}", "schemaType": "JSON"}),
        "/api/schemas/ids/3": (200, {"schema": "", "schemaType": "PROTOBUF", "references": None}),
        f"/api/schemas/guids/{GUID}": (200, {"schema": CREATED, "schemaType": "AVRO", "further": 1}),
    }
    kinds = [type(ask(answers, schema_id)) for schema_id in (1, 2, 3, GUID)]
    assert kinds == [AvroSchema, JsonSchema, UnusableSchema, AvroSchema]


def test_references_are_fetched_before_what_refers_to_them(answers: Answers) -> None:
    def named(name: str, kind: str) -> str:
        return json.dumps(
            {"type": "record", "name": name, "namespace": "shop", "fields": [{"name": "a", "type": kind}]}
        )

    def place(subject: str) -> dict[str, Any]:
        return {"name": f"shop.{subject}", "subject": subject, "version": 2}

    answers.answers = {
        "/api/schemas/ids/1": (200, {"schema": named("Outer", "shop.Middle"), "references": [place("Mid/dle")]}),
        "/api/subjects/Mid%2Fdle/versions/2": (
            200, {"schema": named("Middle", "shop.Inner"), "references": [place("Inner")]}
        ),
        "/api/subjects/Inner/versions/2": (200, {"schema": named("Inner", "string")}),
    }  # fmt: skip
    assert isinstance(ask(answers, 1), AvroSchema)
    answers.answers["/api/subjects/Inner/versions/2"] = (404, {"error_code": 40402})
    assert ask(answers, 1) is None


def test_references_in_a_circle_end(answers: Answers) -> None:
    circle = [{"name": "a", "subject": "a", "version": 1}]
    answers.answers = {
        "/api/schemas/ids/1": (200, {"schema": CREATED, "references": circle}),
        "/api/subjects/a/versions/1": (200, {"schema": '{"type":"fixed","name":"F","size":1}', "references": circle}),
    }
    assert isinstance(ask(answers, 1), AvroSchema)


def test_an_unknown_id_is_one_that_a_registry_says_it_does_not_have(answers: Answers) -> None:
    answers.answers = {"/api/schemas/ids/1": (404, {"error_code": 40403, "message": "Schema not found"})}
    assert ask(answers, 1) is None
    with pytest.raises(RegistryError, match=r"status 404: the path of VOLTEFACE_SCHEMA_REGISTRY_URL may be wrong"):
        ask(answers, GUID)
    answers.answers["/api/schemas/types"] = (200, ["AVRO"])
    assert ask(answers, GUID) is None


@pytest.mark.parametrize(
    ("status", "document", "text"),
    [
        (401, b"", "status 401: check VOLTEFACE_SCHEMA_REGISTRY_USER"),
        (403, b"", "status 403: its user may not read schemas"),
        (500, {"error_code": 50001}, "status 500$"),
        (200, b"<html>", "is not that of a schema registry"),
        (200, {"id": 1}, "is not that of a schema registry"),
        (200, b" " * (1024 * 1024 + 1), "more than 1,048,576 bytes"),
    ],
)
def test_everything_else_says_nothing_about_the_id(answers: Answers, status: int, document: Any, text: str) -> None:
    answers.answers = {"/api/schemas/ids/1": (status, document)}
    with pytest.raises(RegistryError, match=text):
        ask(answers, 1)


def test_the_user_is_sent_and_is_in_no_error(answers: Answers) -> None:
    answers.answers = {"/api/schemas/ids/1": (200, {"schema": CREATED})}
    ask(answers, 1, schema_registry_user="me", schema_registry_password="hidden")
    ((_, sent),) = answers.asked
    assert sent == "Basic " + base64.b64encode(b"me:hidden").decode()
    gone = {"schema_registry_url": "http://127.0.0.1:1/", "schema_registry_user": "me"}
    with pytest.raises(RegistryError, match=r"does not answer \(ClientConnector") as error:
        ask(answers, 1, **gone, schema_registry_password="hidden")
    assert "hidden" not in str(error.value)


UNKNOWN: Final = (404, {"error_code": 40403, "message": "Schema not found"})


def test_output_schemas_are_looked_up_and_registered_only_if_they_are_absent(answers: Answers) -> None:
    alerts, cases = "/api/subjects/my.alerts-value", "/api/subjects/integrity.cases.v1-value"
    answers.answers = {
        alerts: (200, {"subject": "my.alerts-value", "id": 7, "version": 2}),
        cases: (404, {"error_code": 40401}),
        f"{cases}/versions": (200, {"id": 9}),
    }
    assert wait_for_ids(settings_of(answers, alerts_topic="my.alerts")) == (7, 9)
    assert [path for path, _ in answers.posted] == [alerts, cases, f"{cases}/versions"]
    assert answers.posted[0][1] == {"schema": schema_text(Alert)}
    assert answers.posted[2][1] == {"schema": schema_text(Case)}


def test_the_doctor_says_which_schemas_are_absent_and_registers_nothing(answers: Answers) -> None:
    alerts, cases = "integrity.alerts.v1-value", "integrity.cases.v1-value"
    answers.answers = {f"/api/subjects/{alerts}": (200, {"id": 7}), f"/api/subjects/{cases}": UNKNOWN}
    settings = settings_of(answers, output_format="avro")
    (found,) = check_output_schemas(settings, KafkaSettings())
    assert (found.level, found.about) == ("warning", cases)
    answers.answers[f"/api/subjects/{cases}"] = (200, {"id": 9})
    (found,) = check_output_schemas(settings, KafkaSettings())
    assert found.level == "ok"
    assert all(not path.endswith("/versions") for path, _ in answers.posted)
    answers.answers.clear()
    (found,) = guarded("schemas", check_output_schemas, settings, KafkaSettings())
    assert (found.level, "with status 404" in found.text) == ("error", True)
    assert not list(check_output_schemas(settings_of(answers), KafkaSettings()))


@pytest.mark.parametrize("status", [403, 405, 409, 422])
def test_a_registry_that_does_not_take_a_schema_ends_the_start(answers: Answers, status: int) -> None:
    subject = "/api/subjects/integrity.alerts.v1-value"
    answers.answers = {subject: UNKNOWN, f"{subject}/versions": (status, {"error_code": 1, "message": "read-only"})}
    text = rf"does not take schemas/avro/alert\.v1\.avsc as integrity\.alerts\.v1-value \(status {status}: read-only\)"
    with pytest.raises(SettingsError, match=text):
        wait_for_ids(settings_of(answers))


def test_a_registry_without_an_answer_is_waited_for(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts, cases = "/api/subjects/integrity.alerts.v1-value", "/api/subjects/integrity.cases.v1-value"
    found = {alerts: (200, {"id": 7}), cases: (200, {"id": 9})}
    waits = iter([(503, b""), (404, b"a wrong path"), (401, b"")])
    answers.answers = {alerts: next(waits)}

    def pause(seconds: float) -> None:
        later = next(waits, None)
        answers.answers = found if later is None else {alerts: later}

    monkeypatch.setattr("stream.ops.output_schemas.time.sleep", pause)
    assert wait_for_ids(settings_of(answers)) == (7, 9)
    said = capsys.readouterr().out
    assert said.count("schema_registry_away") == 3
    assert "VOLTEFACE_SCHEMA_REGISTRY_PASSWORD" in said
    assert "may be wrong (Apicurio" in said


def test_a_certificate_authority_that_cannot_be_read_is_one_line(answers: Answers, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match=f"VOLTEFACE_SCHEMA_REGISTRY_CAFILE='{path}' cannot be used: No such file"):
        ask(answers, 1, schema_registry_cafile=str(path))
    path.write_text("no certificate")
    with pytest.raises(SettingsError, match="cannot be used"):
        ask(answers, 1, schema_registry_cafile=str(path))


def test_commands_fetch_the_schemas_of_the_records_that_they_read(answers: Answers) -> None:
    answers.answers = {
        "/api/schemas/ids/2": (200, {"schema": "{}", "schemaType": "JSON"}),
        "/api/schemas/ids/3": (404, {"error_code": 40403}),
    }
    event = {"type": "review.created", "event_id": "e", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s"}
    event |= {"product_id": "p", "review_id": "r", "reviewer_id": "u"}
    body = json.dumps(event | {"rating": 1}).encode()
    records = InputRecords(settings_of(answers))
    found = [records.event(0, b"\x00\x00\x00\x00" + bytes([number]) + body, ()) for number in (2, 2, 3, 3)]
    assert [type(each) for each in found] == [ReviewCreated, ReviewCreated, type(None), type(None)]
    assert len(answers.asked) == 2
    assert records.event(0, b"no frame", ()) is None
    with pytest.raises(
        RegistryError, match=r"the schema registry http://127\.0\.0\.1:\d+/api gives no schema 4: it ans"
    ):
        records.event(0, b"\x00\x00\x00\x00\x04" + body, ())
