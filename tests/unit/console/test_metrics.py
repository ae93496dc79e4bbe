"""The console's metrics: bounded labels, what is counted, both formats; and how the process writes and ends."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Scope

from stream.config import Settings
from stream.console.access import User
from stream.console.decisions import Decisions, RefusedError
from stream.console.files import FileCases
from stream.console.live import Live
from stream.console.metrics import ConsoleMetrics, CountedDecisions, MeasuredRequests, route_of
from stream.console.read_model import ReadModel
from stream.console.routes import RULES
from stream.contract.events import CaseEvent
from stream.ops.cases import NotAcknowledgedError
from tests.browser import Console

#: A seller's case and a staff member's.
_ALERTS: Final = Path(__file__).parents[3] / "schemas" / "examples" / "alert.v1.jsonl"
_ANA: Final = User("ana", "lead")


class SilentJournal:
    """A log that acknowledges nothing, as Kafka does while it is away."""

    def record(self, event: CaseEvent) -> None:
        raise NotAcknowledgedError("topic integrity.verdicts.v1 did not acknowledge the event")


class Parts:
    """A read model with the cases of a replay, and its metrics; `now` is their clock."""

    def __init__(self, folder: Path) -> None:
        (folder / "events.jsonl").touch()
        self.read_model, self.live, self.now = ReadModel(folder / "cases.sqlite"), Live(), 0.0
        self.source = FileCases(Settings(), self.read_model, _ALERTS, folder / "events.jsonl", self.live.changed)
        self.source.load()
        self.metrics = ConsoleMetrics(self.read_model, self.source, self.live, lambda: self.now)
        self.case_id = self.read_model.select("subject_type = 'seller'", "case_id", (), 1)[0].case_id

    def samples(self) -> dict[str, float]:
        return parsed(self.metrics.exposition()[0].decode())


def parsed(page: str) -> dict[str, float]:
    """Return the console's samples by name and values of labels, without buckets and times of creation."""
    return {
        " ".join((sample.name.removeprefix("volteface_console_"), *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("volteface_console_") and not sample.name.endswith(("_bucket", "_created"))
    }


def counted(samples: dict[str, float], name: str) -> dict[str, float]:
    """Return the samples of a name that are above zero, by their labels."""
    return {key.removeprefix(f"{name} "): value for key, value in samples.items() if key.startswith(name) and value}


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def test_a_path_is_counted_under_its_route() -> None:
    assert route_of("/cases/3f2a9c1b") == "/cases/{case_id}"
    assert route_of("/cases/3f2a9c1b/verdict") == "/cases/{case_id}/verdict"
    assert route_of("/static/vendor/htmx.js") == "/static"
    assert {route_of(path) for path in ("/cases/a/b/c", "/wp-login.php", "", "/cases/", "/staticx")} == {"other"}
    assert {route_of(rule.path) for rule in RULES} == {rule.path for rule in RULES}


def ask(parts: Parts, method: str, path: str, status: int, content_type: bytes = b"text/html") -> None:
    """Send a request through the middleware to an application that answers at once; status 0: that fails."""

    async def answer(scope: Scope, receive: object, send: object) -> None:
        if not status:
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": status, "headers": [(b"Content-Type", content_type)]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    async def nothing(_: Message | None = None) -> Message:
        return {"type": "http.disconnect"}

    measured = MeasuredRequests(answer, parts.metrics)
    asyncio.run(measured({"type": "http", "method": method, "path": path}, nothing, nothing))  # type: ignore[arg-type]


def test_strangers_cannot_make_series(parts: Parts) -> None:
    """Paths, methods and statuses come from whoever asks."""
    for number in range(500):
        ask(parts, f"M{number}", f"/{number}", 400 + number % 90)
        ask(parts, "GET", f"/cases/{number}", 200)
    requests = counted(parts.samples(), "request_seconds_count")
    assert requests == {"other other 4xx": 500, "GET /cases/{case_id} 2xx": 500}


def test_an_error_of_the_program_is_counted(parts: Parts) -> None:
    with pytest.raises(ZeroDivisionError):
        ask(parts, "POST", "/next", 0)
    assert counted(parts.samples(), "request_seconds_count") == {"POST /next 5xx": 1}


def test_the_stream_of_an_open_page_is_no_slow_request(parts: Parts) -> None:
    ask(parts, "GET", "/live", 200, b"text/event-stream; charset=utf-8")
    ask(parts, "GET", "/live", 503, b"text/plain")
    assert counted(parts.samples(), "request_seconds_count") == {"GET /live 5xx": 1}


def test_decisions_are_counted_by_what_became_of_them(parts: Parts, tmp_path: Path) -> None:
    written = CountedDecisions(
        Decisions(Settings(), parts.read_model, parts.source, parts.source.market_now), parts.metrics
    )
    silent = CountedDecisions(
        Decisions(Settings(), parts.read_model, SilentJournal(), parts.source.market_now), parts.metrics
    )
    assert not counted(parts.samples(), "decisions_total")
    assert len([name for name in parts.samples() if name.startswith("decisions_total")]) == 12, "they begin at zero"

    def form(**fields: str) -> dict[str, str]:
        return {"event_id": uuid4().hex, **fields}

    written.note(_ANA, parts.case_id, form(note="Batch 7 was repaired."))
    with pytest.raises(RefusedError):
        written.verdict(_ANA, parts.case_id, form(verdict="guilty"))
    with pytest.raises(RefusedError):
        written.appeal(_ANA, parts.case_id, form(note="There is no verdict yet."))
    with pytest.raises(NotAcknowledgedError):
        silent.assign(_ANA, parts.case_id, form(assignee="ana"))
    assert counted(parts.samples(), "decisions_total") == {
        "note recorded": 1, "verdict refused": 1, "appeal refused": 1, "assign not_acknowledged": 1,
    }  # fmt: skip


def test_cases_are_counted_at_most_every_few_seconds(parts: Parts) -> None:
    assert counted(parts.samples(), "cases") == {"open": 2}
    decisions = Decisions(Settings(four_eyes="off"), parts.read_model, parts.source, parts.source.market_now)
    case = parts.read_model.case(parts.case_id)
    assert case is not None
    form = {"event_id": uuid4().hex, "verdict": "dismissed", "alert_id": case.alerts[-1].alert_id}
    decisions.verdict(_ANA, parts.case_id, form)
    parts.now = 4.9
    assert counted(parts.samples(), "cases") == {"open": 2}
    parts.now = 5
    assert counted(parts.samples(), "cases") == {"open": 1, "decided": 1}


def test_what_the_source_says_is_shown(parts: Parts) -> None:
    assert parts.samples()["ready"] == 1
    parts.source.problem, parts.source.lag, parts.source.refused = "Kafka cannot be read", 7, 2
    found = parts.samples()
    assert (found["ready"], found["lag_records"], found["refused_records_total"]) == (0, 7, 2)


def test_a_damaged_read_model_leaves_the_other_metrics(parts: Parts, tmp_path: Path) -> None:
    parts.read_model.close()
    for file in tmp_path.glob("cases.sqlite*"):
        file.write_bytes(b"no database" * 1000)
    found = parts.samples()
    assert found["ready"] == 1
    assert not [name for name in found if name.startswith("cases")]


def test_two_consoles_of_one_process_do_not_share_metrics(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    first, second = map(Parts, folders)
    ask(first, "GET", "/", 200)
    assert not counted(second.samples(), "request_seconds_count")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A real console that shows a replay."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "events.jsonl").touch()
    console = Console(folder, {}, "--alerts", str(_ALERTS), "--events", str(folder / "events.jsonl"))
    console.wait()
    yield console
    console.kill()


def fetch(console: Console, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, str]:
    """Return status, content type and text of an answer; with a form it is posted."""
    body = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(f"{console.url}{path}", body, {"Origin": console.url, **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_page_is_text_or_openmetrics_as_it_is_asked_for(console: Console) -> None:
    status, content_type, page = fetch(console, "/metrics")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert parsed(page)["ready"] == 1
    _, content_type, page = fetch(console, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics(page)}  # type: ignore[no-untyped-call]
    assert {"volteface_console_request_seconds", "volteface_console_decisions", "process_cpu_seconds"} <= names
    assert fetch(console, "/metrics", Accept="text/plain; version=x")[0] == 200


def test_requests_of_a_real_console_are_counted(console: Console) -> None:
    before = counted(parsed(fetch(console, "/metrics")[2]), "request_seconds_count")
    case_id = re.findall(r"/cases/([0-9a-f]+)", fetch(console, "/")[2])[0]
    fetch(console, f"/cases/{case_id}")
    assert fetch(console, f"/cases/{case_id}/note", {"note": "forged"})[0] == 403
    after = counted(parsed(fetch(console, "/metrics")[2]), "request_seconds_count")
    increase = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name)}
    assert increase == {
        "GET /metrics 2xx": 1, "GET / 2xx": 1, "GET /cases/{case_id} 2xx": 1, "POST /cases/{case_id}/note 4xx": 1,
    }  # fmt: skip


def test_it_ends_at_once_although_pages_are_open(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").touch()
    console = Console(tmp_path, {}, "--alerts", str(_ALERTS), "--events", str(tmp_path / "events.jsonl"))
    try:
        console.wait()
        fetch(console, "/")
        pages = [urllib.request.urlopen(f"{console.url}/live", timeout=20) for _ in range(20)]
        assert {page.readline() for page in pages} == {b"retry: 2000\n"}
        assert parsed(fetch(console, "/metrics")[2])["open_pages"] == 20
        started = time.monotonic()
        assert console.stop() == 0
        assert time.monotonic() - started < 2.5  # below the time that the server gives to answers
        assert {page.read() for page in pages} == {b"\n"}, "each stream ended, and was not cut off"
    finally:
        console.kill()
    lines = [json.loads(line) for line in console.log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["decisions_file", "console_starts", "console_stopped"]
    assert lines[1]["authentication"] == "local"
    assert {line["level"] for line in lines} == {"info"}


def test_an_error_of_a_person_is_one_line(console: Console, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").touch()
    arguments = ("--alerts", str(_ALERTS), "--events", str(tmp_path / "events.jsonl"))
    for settings, code, words in (
        ({"VOLTEFACE_CONSOLE_PORT": str(console.port)}, 1, "set VOLTEFACE_CONSOLE_HOST and VOLTEFACE_CONSOLE_PORT"),
        ({"VOLTEFACE_CONSOLE_AUTH": "nobody"}, 2, "VOLTEFACE_CONSOLE_AUTH='nobody' cannot be used"),
        ({"VOLTEFACE_CONSOLE_HOST": "0.0.0.0"}, 2, "no loopback address"),
    ):
        failed = Console(tmp_path, settings, *arguments)
        assert failed.process.wait(30) == code
        line = json.loads(failed.log.read_text().splitlines()[-1])
        assert (line["event"], line["level"]) == ("fatal", "critical")
        assert words in line["error"]
        failed.log.unlink()
