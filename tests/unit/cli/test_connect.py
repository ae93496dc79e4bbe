"""The list of servers is checked before a client gets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream.config import SettingsError, load
from tests.unit.cli.conftest import Invoke

pytestmark = pytest.mark.usefixtures("invoke")


@pytest.mark.parametrize(
    "servers",
    ["a:9092,b:9092", "a:9092, b:9092", "kafka", "[::1]:9092", "[fe80::1%eth0]", "10.0.0.1:65535", "my_host:1"],
)
def test_a_list_of_servers_is_accepted(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    assert load()[1].bootstrap_servers == servers


@pytest.mark.parametrize(
    ("servers", "wrong"),
    [
        ('"a:9092,b:9092"', '"a:9092'),
        ("'a:9092'", "'a:9092'"),
        ("a:9092,", ""),
        ("a:9092;b:9092", "a:9092;b:9092"),
        ("a:9092 b:9092", "a:9092 b:9092"),
        ("a:", "a:"),
        ("a:http", "a:http"),
        ("a:65536", "a:65536"),
        ("a:0", "a:0"),
        ("::1", "::1"),
        ("kafka://a:9092", "kafka://a:9092"),
    ],
)
@pytest.mark.parametrize("command", ["topics check", "alerts", "worker"])
def test_a_wrong_list_of_servers_names_the_variable(
    command: str,
    servers: str,
    wrong: str,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = f"KAFKA_BOOTSTRAP_SERVERS={servers!r} cannot be used: {wrong!r} is not host:port"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    result = invoke(*command.split())
    if command == "worker":  # its logs are JSON lines
        assert result.exit_code == 2
        assert json.loads(capfd.readouterr().err)["error"] == f"SettingsError: {text}"
    else:
        assert isinstance(result.exception, SettingsError)
        assert str(result.exception) == text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("VOLTEFACE_ALERT_BUDGT", "VOLTEFACE_ALERT_BUDGET"),
        ("VOLTEFACE_APPID", "VOLTEFACE_APP_ID"),
        ("volteface_web_prot", "VOLTEFACE_WEB_PORT"),
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_misspelt_setting_is_refused(
    name: str, meant: str, in_file: bool, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_file:
        Path(".env").write_text(f"{name}=1\n")
    else:
        monkeypatch.setenv(name, "1")
    done = invoke("settings")
    assert isinstance(done.exception, SettingsError)
    assert str(done.exception) == f"{name.upper()} is not a setting: is {meant} meant? See `volteface settings`"


@pytest.mark.parametrize(
    "name", ["VOLTEFACE_PORT", "VOLTEFACE_SERVICE_HOST", "VOLTEFACE_PORT_6066_TCP", "KAFKA_HEAP_OPTS"]
)
def test_variables_that_kubernetes_and_brokers_set_are_left_alone(
    name: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    assert invoke("settings").exit_code == 0
