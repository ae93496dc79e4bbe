"""A Kafka that requires TLS and a password: all works there, each error is one line, and no output has a secret."""

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
from tests.kafka.group import Group, Market, Worker, argv, environment_of, fatal_errors, wait
from tests.kafka.secured import PASSWORD, USER, Secured, secured_broker

# All tests in one process, so that they share one broker.
pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("secured")]

_EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
_WRONG: Final = "Wr0ng,horse=4"
#: Settings with one error, and the message of the error.
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
        lambda secured: secured.settings(ssl_cafile=str(secured.other_authority)),
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
#: Transient errors, for which a command retries; the test runs all of them at the same time.
_UNREACHABLE: Final[dict[str, Callable[[Secured], KafkaSettings]]] = {
    "no listener": lambda secured: secured.settings(bootstrap_servers=f"127.0.0.1:{free_port()}"),
    "no such host": lambda secured: secured.settings(bootstrap_servers="nowhere.invalid:9092"),
    "no TLS": lambda secured: secured.settings(security_protocol="SASL_PLAINTEXT"),
    "no password": lambda secured: secured.settings(security_protocol="SSL"),
}


#: A client of each library, with the logging of a worker at DEBUG ("ours") or with Python's own.
_CLIENTS: Final = """
import logging.config, sys
from stream import config
from stream.engine import preflight
from stream.ops import logs, topics
logging.config.dictConfig(logs.configure("DEBUG")) if sys.argv[1] == "ours" else logging.basicConfig(level="DEBUG")
settings, kafka = config.load()
preflight.check(kafka)
assert topics.check(settings, kafka)
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture
def verbose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes log at DEBUG."""
    monkeypatch.setenv("VOLTEFACE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("COLUMNS", "1000")  # a search does not find a password that is wrapped at the end of a line


@pytest.mark.usefixtures("verbose")
def test_all_works_and_the_password_is_in_no_output(secured: Secured, market: Market, tmp_path: Path) -> None:
    group = Group("secured", secured.settings(), tmp_path)
    group.settings = group.settings.model_copy(update={"app_id": "secured-new"})  # without a state topic
    group.command("topics", "create")
    group.command("topics", "check")
    output = _worker_output(group, market.events, market.total, lambda: group.wait_for_state(market.expected))
    group.assert_equals(market.expected, market.alert_ids)
    assert [form for form in _forms(PASSWORD) if form in output] == []


@pytest.mark.usefixtures("verbose")
@pytest.mark.long
def test_a_certificate_with_an_encrypted_key(secured: Secured, tmp_path: Path) -> None:
    """Both libraries, and Faust's clients, take the key's password; a wrong one is one line."""
    certificate = {
        "bootstrap_servers": f"127.0.0.1:{secured.tls_port}",
        "security_protocol": "SSL",
        "ssl_cafile": str(secured.authority),
        "ssl_certfile": str(secured.client_certificate),
        "ssl_keyfile": str(secured.client_key),
    }
    group = Group("key", KafkaSettings.model_validate(certificate | {"ssl_key_password": PASSWORD}), tmp_path)
    events = tmp_path / "one.jsonl"
    events.write_bytes((_EXAMPLES / "review.created.v1.jsonl").read_bytes().splitlines(keepends=True)[0])
    output = _worker_output(group, events, 1)
    assert [form for form in _forms(PASSWORD) if form in output] == []
    for changed in ({"ssl_key_password": _WRONG}, {}):
        environment = os.environ | environment_of(KafkaSettings.model_validate(certificate | changed))
        for command in ("topics check", "worker"):
            done = subprocess.run(
                argv(*command.split()), env=environment, capture_output=True, text=True, timeout=30, check=False
            )
            (line,) = fatal_errors(done.stderr) if command == "worker" else done.stderr.splitlines()
            assert line.startswith(f"SettingsError: KAFKA_SSL_CERTFILE='{secured.client_certificate}' with ")
            assert "KAFKA_SSL_KEY_PASSWORD" in line
            assert _WRONG not in line


@pytest.mark.usefixtures("verbose")
@pytest.mark.long
def test_a_password_sent_in_plain_text_is_in_no_output(secured: Secured, market: Market, tmp_path: Path) -> None:
    """With SCRAM the password stays in the client; with PLAIN a request contains it."""
    few = tmp_path / "few.jsonl"
    few.write_text("".join(market.events.read_text().splitlines(keepends=True)[:1000]))
    output = _worker_output(Group("plain", secured.settings(sasl_mechanism="PLAIN"), tmp_path), few, 1000)
    assert [form for form in _forms(PASSWORD) if form in output] == []


@pytest.mark.parametrize(("logging", "leaks"), [("ours", False), ("python's", True)])
def test_the_debug_lines_of_the_clients_are_not_logged(logging: str, leaks: bool, secured: Secured) -> None:
    """At DEBUG the clients log their requests, also the one with the password; our logging drops these lines."""
    environment = os.environ | environment_of(secured.settings(sasl_mechanism="PLAIN"))
    done = subprocess.run(
        [sys.executable, "-c", _CLIENTS, logging],
        env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert any(form in done.stderr for form in _forms(PASSWORD)) is leaks


def _worker_output(group: Group, events: Path, total: int, check: Callable[[], None] = lambda: None) -> str:
    """Run a worker on these events; return its log and web pages and the output of `settings`."""
    group.command("feed", "--input", str(events))
    worker = Worker(group)
    try:
        # Regression: closing a TLS connection took 30 s after every second restored task.
        wait(worker.ready, 20, "the tasks are not restored")
        worker.wait_for(total)
        check()
        pages = [worker.page(path) for path in ("/metrics", "/health/ready", "/health/live")]
        assert worker.stop() == 0
    finally:
        worker.kill()
    log, table = (group.folder / "worker.log").read_text(), group.command("settings")
    assert '"level": "debug"' in log
    assert "KAFKA_SASL_PASSWORD" in table
    return "\n".join((log, table, *pages))


def _forms(password: str) -> tuple[str, ...]:
    """Return the password and its encodings in a log of the requests."""
    sent = f"\0{USER}\0{password}".encode()
    return (
        password,
        quote(password),
        password.encode().hex(),
        b64encode(password.encode()).decode(),
        b64encode(sent).decode(),
    )


@pytest.mark.usefixtures("verbose")
@pytest.mark.parametrize("command", ["topics check", "feed --input {events}", "worker"])
@pytest.mark.parametrize("fault", _FAULTS)
def test_an_error_is_reported_in_one_line(fault: str, command: str, secured: Secured, market: Market) -> None:
    settings, words = _FAULTS[fault]
    kafka = settings(secured)
    done = subprocess.run(
        argv(*command.format(events=market.events).split()),
        env=os.environ | environment_of(kafka), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = fatal_errors(done.stderr) if command == "worker" else done.stderr.splitlines()
    assert line.startswith(f"AccessError: Kafka at {kafka.bootstrap_servers} {words}")
    assert [form for password in (PASSWORD, _WRONG) for form in _forms(password) if form in line] == []


@pytest.mark.long
def test_a_command_waits_for_an_unreachable_kafka_but_not_for_ever(secured: Secured) -> None:
    settings_by_fault = {fault: settings(secured) for fault, settings in _UNREACHABLE.items()}
    running = {
        fault: subprocess.Popen(
            argv("topics", "check"), env=os.environ | environment_of(kafka), stderr=subprocess.PIPE, text=True
        )
        for fault, kafka in settings_by_fault.items()
    }
    try:
        stderr = {fault: process.communicate(timeout=30)[1].splitlines() for fault, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
    assert {process.returncode for process in running.values()} == {1}
    for fault, kafka in settings_by_fault.items():
        *_, line = stderr[fault]  # before it the command says that it waits
        assert line.startswith(
            f"AccessError: Kafka at {kafka.bootstrap_servers} does not answer, "
            "see KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL: "
        )
