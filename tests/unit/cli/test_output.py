"""Output for programs: complete lines at once, and a clean end."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import msgspec
import pytest

from stream.config import KINDS
from stream.texts import literal
from tests.unit.cli.processes import about, alerts_command, command_line, environment, run

_F_SETPIPE_SZ: Final = 1031


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Twenty alerts, each of more than 16 KiB: more than a pipe of one page or a buffer of Python holds."""
    path = tmp_path / "alerts.jsonl"
    alerts = [about(f"shop-{number}-é", checks=["?" * 16_384]) for number in range(20)]
    path.write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in alerts))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_alert_that_is_followed_is_in_the_pipe_at_once(number: int, file: Path) -> None:
    command = alerts_command("--follow", "--json")
    with subprocess.Popen(
        command, env=environment(ALERTS=str(file)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [process.stdout.readline() for _ in range(20)]  # the command does not end
        process.send_signal(number)
        assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (130, b"", b"")
    assert b"".join(lines) == file.read_bytes()


def test_a_signal_within_a_line_leaves_the_line_whole(file: Path) -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, _F_SETPIPE_SZ, 4096)
    with (
        os.fdopen(read, "rb") as reader,
        subprocess.Popen(
            alerts_command("--json"), env=environment(ALERTS=str(file)), stdout=write, stderr=subprocess.PIPE
        ) as process,
    ):
        os.close(write)
        assert process.stderr is not None
        first = reader.read1(1)  # the command now waits within its first line
        time.sleep(0.2)
        process.terminate()
        time.sleep(0.2)
        output = first + reader.read()
        assert (process.wait(10), process.stderr.read()) == (130, b"")
    assert output == file.read_bytes().splitlines(keepends=True)[0]


def test_a_reader_that_stands_still_does_not_hold_a_command_for_ever(file: Path) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        alerts_command("--json"), env=environment(ALERTS=str(file)), stdout=write, stderr=subprocess.PIPE
    ) as process:
        os.close(write)
        os.read(read, 1)
        process.terminate()
        assert process.wait(10) == 130
        assert process.stderr is not None and process.stderr.read() == b""
    os.close(read)


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_a_reader_that_leaves_ends_the_command(form: tuple[str, ...], follow: tuple[str, ...], file: Path) -> None:
    with subprocess.Popen(
        alerts_command(*form, *follow), env=environment(ALERTS=str(file)), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        if not form:  # the list is shorter than the pipe
            process.terminate()
        assert process.stderr.read() == b""
        assert process.wait(10) in {0, 1, 130}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_utf8_in_every_locale(encoding: str, file: Path) -> None:
    done = run(alerts_command("--json"), {"ALERTS": str(file), "PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout, done.stderr) == (0, file.read_bytes(), b"")


def test_a_list_in_an_ascii_locale_has_escapes(file: Path) -> None:
    done = run(alerts_command(), {"ALERTS": str(file), "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"  shop-0-\\xe9  " in done.stdout


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_full_disk_is_one_line(form: tuple[str, ...], file: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            alerts_command(*form), env=environment(ALERTS=str(file)), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"OSError: [Errno 28] No space left on device\n")


def test_no_name_of_a_variable_is_cut_at_80_columns() -> None:
    lines = run(command_line("settings"), {"KAFKA_SASL_USERNAME": "[red]\x1b[2J:boom:"}).stdout.decode().splitlines()
    values = dict(line.split("=", 1) for line in lines if not line.startswith(" "))
    assert values["VOLTEFACE_ALLOWED_LATENESS_SECONDS"] == "10.0"
    assert values["KAFKA_MOCK"] == "false"
    assert values["KAFKA_SASL_USERNAME"] == "[red]\\x1b[2J:boom:"
    assert values["KAFKA_SASL_PASSWORD"] == ""
    assert len(values) == sum(len(kind.model_fields) for kind in KINDS)
    assert max(map(len, lines)) <= 80


def test_the_settings_are_shown_as_variables_take_them() -> None:
    """What `settings` prints can be put into the environment again."""
    first = run(command_line("settings")).stdout.decode().splitlines()
    values = dict(line.split("=", 1) for line in first if not line.startswith(" "))
    assert run(command_line("settings"), values).stdout.decode().splitlines() == first


def test_literal_keeps_what_can_be_seen() -> None:
    assert literal("[/b] é 店 :x: \\") == "[/b] é 店 :x: \\"
    assert literal("a\tb\x9b\ud800") == "a\\tb\\x9b\\ud800"
    assert json.loads(f'"{literal(chr(0x202E))}"') == "\u202e"
