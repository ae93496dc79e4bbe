"""A Kafka that asks for TLS and a password: all works there, what is wrong is said in a line, and no secret is told."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from stream.config import KafkaSettings
from stream.ops.broker import free_port
from tests.kafka.group import Group, Market, Worker, argv, environment_of, wait
from tests.kafka.secured import PASSWORD, USER, Secured, secured_broker

# In one process, so that one broker serves them all.
pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("secured")]

_WRONG: Final = "Wr0ng,horse=4"
#: Settings of which one is wrong, and what has to be said of it.
_FAULTS: Final[dict[str, tuple[Callable[[Secured], KafkaSettings], str]]] = {
    "password": (
        lambda secured: secured.settings(sasl_password=_WRONG),
        "refuses KAFKA_SASL_USERNAME='volteface' with this KAFKA_SASL_PASSWORD: ",
    ),
    "plain password": (
        lambda secured: secured.settings(sasl_password=_WRONG, sasl_mechanism="PLAIN"),
        "refuses KAFKA_SASL_USERNAME='volteface' with this KAFKA_SASL_PASSWORD: ",
    ),
    "mechanism": (
        lambda secured: secured.settings(sasl_mechanism="SCRAM-SHA-256"),
        "does not take KAFKA_SASL_MECHANISM=SCRAM-SHA-256",
    ),
    "authority": (
        lambda secured: secured.settings(ssl_cafile=str(secured.stranger)),
        "has a certificate that is not trusted, see KAFKA_SSL_CAFILE: ",
    ),
    "the system's authorities": (
        lambda secured: secured.settings(ssl_cafile=None),
        "has a certificate that is not trusted, see KAFKA_SSL_CAFILE: ",
    ),
    "host name": (
        lambda secured: secured.settings(bootstrap_servers=f"localhost:{secured.port}"),
        "has a certificate of another name, see KAFKA_BOOTSTRAP_SERVERS: ",
    ),
}
#: These may mend themselves and are waited for, so they are asked all at once.
_SILENT: Final[dict[str, Callable[[Secured], KafkaSettings]]] = {
    "nobody there": lambda secured: secured.settings(bootstrap_servers=f"127.0.0.1:{free_port()}"),
    "no such host": lambda secured: secured.settings(bootstrap_servers="nowhere.invalid:9092"),
    "no TLS": lambda secured: secured.settings(security_protocol="SASL_PLAINTEXT"),
    "no password": lambda secured: secured.settings(security_protocol="SSL"),
}


#: A client of each library, under the logging of a worker at DEBUG or, told so, under Python's own.
_CLIENTS: Final = """
import logging.config, sys
from stream import config
from stream.engine.knock import knock
from stream.ops import logs, topics
logging.config.dictConfig(logs.configure("DEBUG")) if sys.argv[1] == "ours" else logging.basicConfig(level="DEBUG")
settings, kafka = config.load()
knock(kafka)
assert topics.check(settings, kafka)
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that say all they can say."""
    monkeypatch.setenv("VOLTEFACE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("COLUMNS", "1000")  # a password cut in two at a line's end would be found by people only


@pytest.mark.usefixtures("talkative")
def test_all_works_and_the_password_is_told_nowhere(secured: Secured, market: Market, tmp_path: Path) -> None:
    group = Group("guarded", secured.settings(), tmp_path)
    group.settings = group.settings.model_copy(update={"app_id": "guarded-anew"})  # whose state has no topic yet
    group.command("topics", "create")
    group.command("topics", "check")
    told = _told_by_a_worker(group, market.events, market.total, lambda: group.settle(market.expected))
    group.assert_equals(market.expected, market.alert_ids)
    assert [form for form in _forms(PASSWORD) if form in told] == []


@pytest.mark.usefixtures("talkative")
def test_a_password_that_is_sent_as_it_is_is_told_nowhere(secured: Secured, market: Market, tmp_path: Path) -> None:
    """With SCRAM it never leaves the client; with PLAIN it is in a request."""
    few = tmp_path / "few.jsonl"
    few.write_text("".join(market.events.read_text().splitlines(keepends=True)[:1000]))
    told = _told_by_a_worker(Group("plain", secured.settings(sasl_mechanism="PLAIN"), tmp_path), few, 1000)
    assert [form for form in _forms(PASSWORD) if form in told] == []


@pytest.mark.parametrize(("logging", "leaks"), [("ours", False), ("python's", True)])
def test_what_the_clients_trace_is_not_logged(logging: str, leaks: bool, secured: Secured) -> None:
    """At DEBUG they trace their requests, that with the password included; those lines are not for our logs."""
    environment = os.environ | environment_of(secured.settings(sasl_mechanism="PLAIN"))
    done = subprocess.run(
        [sys.executable, "-c", _CLIENTS, logging],
        env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert any(form in done.stderr for form in _forms(PASSWORD)) is leaks


def _told_by_a_worker(group: Group, events: Path, total: int, settle: Callable[[], None] = lambda: None) -> str:
    """What a worker logs and shows while it does these events, and what `settings` prints."""
    group.command("feed", "--input", str(events))
    worker = Worker(group)
    try:
        # The end of a TLS connection once took 30 s for every second task that had been restored.
        wait(worker.ready, 20, "the tasks are not restored")
        worker.wait_for(total)
        settle()
        pages = [worker.page(path) for path in ("/metrics", "/health/ready", "/health/live")]
        assert worker.stop() == 0
    finally:
        worker.kill()
    log, table = (group.folder / "worker.log").read_text(), group.command("settings")
    assert '"level": "debug"' in log
    assert "KAFKA_SASL_PASSWORD" in table
    return "\n".join((log, table, *pages))


def _forms(password: str) -> tuple[str, ...]:
    """As it is, and as it may stand in a trace of what was sent."""
    sent = f"\0{USER}\0{password}".encode()
    return (
        password,
        quote(password),
        password.encode().hex(),
        b64encode(password.encode()).decode(),
        b64encode(sent).decode(),
    )


@pytest.mark.usefixtures("talkative")
@pytest.mark.parametrize("command", ["topics check", "feed --input {events}", "worker"])
@pytest.mark.parametrize("fault", _FAULTS)
def test_what_is_wrong_is_said_in_one_line(fault: str, command: str, secured: Secured, market: Market) -> None:
    settings, words = _FAULTS[fault]
    kafka = settings(secured)
    done = subprocess.run(
        argv(*command.format(events=market.events).split()),
        env=os.environ | environment_of(kafka), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"AccessError: Kafka at {kafka.bootstrap_servers} {words}")
    assert [form for password in (PASSWORD, _WRONG) for form in _forms(password) if form in line] == []


def test_a_kafka_that_cannot_be_talked_to_is_waited_for_but_not_for_ever(secured: Secured) -> None:
    asked = {fault: settings(secured) for fault, settings in _SILENT.items()}
    running = {
        fault: subprocess.Popen(
            argv("topics", "check"), env=os.environ | environment_of(kafka), stderr=subprocess.PIPE, text=True
        )
        for fault, kafka in asked.items()
    }
    try:
        told = {fault: process.communicate(timeout=30)[1].splitlines() for fault, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
    assert {process.returncode for process in running.values()} == {1}
    for fault, kafka in asked.items():
        (line,) = told[fault]
        assert line.startswith(
            f"AccessError: Kafka at {kafka.bootstrap_servers} cannot be talked to, "
            "see KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL: "
        )
