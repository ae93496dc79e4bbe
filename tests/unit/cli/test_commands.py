"""Every command in a narrow terminal, with a reader that has gone, in an ASCII locale, and without Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from stream.cli.help import ORDER, Group
from stream.cli.main import cli
from tests.unit.cli.processes import command_line, environment, example, run

#: Arguments of each command; {0} is a folder with events, a query, a mapping and alerts.
_ARGUMENTS = {
    "worker": "",
    "feed": "--input {0}/events.jsonl",
    "bridge": "--mapping {0}/mapping.toml --dry-run",
    "alerts": "--json",
    "watchlist": "",
    "dlq list": "",
    "dlq replay": "",
    "topics create": "",
    "topics check": "",
    "doctor": "--json",
    "settings": "",
    "plot": "--alerts {0}/alerts.jsonl --out {0}/é.svg",
    "convert": "--sql {0}/query.sql --out {0}/é.jsonl",
    "replay": "--input {0}/events.jsonl",
    "calibrate": "--input {0}/events.jsonl",
    "state digest": "",
    "state rebuild": "",
    "state adopt": "",
    "market": "--seed 1 --scenario honest --sellers 1 --days 1 --out {0}/é.jsonl --truth {0}/truth.jsonl",
    "arena": "--sellers 30 --days 90 --kinds bribes --worlds 0 --competitors volteface --out {0}",
    "broker": "--port 0",
    "unmask": "pr-0123456789abcdef0123456789abcdef --reason why",
    "forget": "someone",
    "console": "",
    "cases": "--json",
    "case": "0123456789 --json",
    "verdict": "0123456789 explained --story product_fix --mute 30d --note é",
    "appeal": "0123456789 --note é",
    "assign": "0123456789 --to é",
    "note": "0123456789 é",
}
_NEED_KAFKA = [*("feed", "bridge", "alerts", "watchlist", "dlq list", "dlq replay", "topics create", "topics check"),
               *("doctor", "state digest", "state rebuild", "state adopt", "unmask", "forget"),
               *("console", "cases", "case", "verdict", "appeal", "assign", "note")]  # fmt: skip
#: A command, with a preflight that says at once that it waits, and gives up soon.
_IMPATIENT = """
from stream.cli import main
from stream.engine import preflight
preflight._QUIET_SECONDS = preflight._TOTAL_SECONDS = 0
main.main()
"""
#: The parameters of a test that runs every command: all have one mechanism in common, so each time a few do.
_SOME = ("alerts", "replay", "settings", "--help")
_SAMPLED = [name if name in _SOME else pytest.param(name, marks=pytest.mark.long) for name in (*_ARGUMENTS, "--help")]
_SHOWN = ["", "dlq", "topics", "state", *_ARGUMENTS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.jsonl").write_bytes(b'{"no": "event"}\n')
    (tmp_path / "query.sql").write_text("SELECT 'case.noted' AS type, DATE '2025-03-01' AS occurred_at, 'é' AS note")
    (tmp_path / "mapping.toml").write_text("[[table]]\ntopic = 'shop.é'\nevents = 'reviews'", encoding="utf-8")
    (tmp_path / "alerts.jsonl").write_bytes(msgspec.json.encode(example()))
    return tmp_path


def test_the_tables_of_this_test_have_every_command() -> None:
    program = get_command(cli)
    assert isinstance(program, Group)
    names = []
    for name, command in program.commands.items():
        names += [f"{name} {each}" for each in command.commands] if isinstance(command, Group) else [name]
    assert sorted(names) == sorted(_ARGUMENTS)
    assert sorted(program.commands) == sorted(ORDER)


def test_the_help_names_the_most_important_commands_first() -> None:
    lines = run(command_line("--help")).stdout.decode().splitlines()
    first_words = [line.split()[1] for line in lines if line.startswith("│ ") and line[2] != " "]
    assert first_words == ["--help", *ORDER]
    assert first_words[1:9] == ["worker", "feed", "bridge", "alerts", "watchlist", "dlq", "topics", "settings"]
    assert first_words[-2:] == ["unmask", "forget"]


@pytest.mark.parametrize("command", _SHOWN)
def test_no_word_of_the_help_is_cut_at_80_columns(command: str) -> None:
    narrow, wide = (
        CliRunner().invoke(cli, [*command.split(), "--help"], env={"COLUMNS": columns}).stdout
        for columns in ("80", "1000")
    )
    assert _words(narrow) <= _words(wide)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "bool" not in narrow


def _words(text: str) -> set[str]:
    """Return the words of a text without the lines around it."""
    return {word for word in text.split() if any(letter.isalnum() for letter in word)}


@pytest.mark.parametrize("command", _SAMPLED)
def test_an_ascii_locale_gives_no_stack_trace(command: str, folder: Path) -> None:
    variables = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LC_ALL": "C"}
    _check(command, run(_line(command, folder), _environment(command) | variables))


@pytest.mark.parametrize("command", _SAMPLED)
def test_a_reader_that_has_gone_gives_no_stack_trace(command: str, folder: Path) -> None:
    _check(command, run(_with_stdout_closed_by("reader", _line(command, folder)), _environment(command)))


@pytest.mark.parametrize("command", _SAMPLED)
def test_a_missing_standard_output_gives_no_stack_trace(command: str, folder: Path) -> None:
    _check(command, run(_with_stdout_closed_by("writer", _line(command, folder)), _environment(command)))


def _line(command: str, folder: Path) -> list[str]:
    arguments = f"{command} {_ARGUMENTS.get(command, '')}".format(folder).split()
    return [sys.executable, "-c", _IMPATIENT, *arguments]


def _with_stdout_closed_by(side: str, command: list[str]) -> list[str]:
    """Return a command line that starts the command with a pipe that nobody reads, or with no standard output."""
    close = {"reader": "read, write = os.pipe(); os.close(read); os.dup2(write, 1)", "writer": "os.close(1)"}[side]
    return [sys.executable, "-c", f"import os, sys; {close}; os.execv(sys.argv[1], sys.argv[1:])", *command]


def _environment(command: str) -> dict[str, str]:
    # Nothing listens on port 1. A worker waits there for 20 seconds, and a wrong port ends it at once.
    return {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:x" if command == "worker" else "127.0.0.1:1",
        "VOLTEFACE_PSEUDONYM_KEY": "0123456789abcdef",
    }


def _check(command: str, done: subprocess.CompletedProcess[bytes]) -> None:
    """Check that a command ended by itself, in the way that it should, and without a stack trace."""
    stderr = done.stderr.decode()
    assert "Traceback" not in stderr and "Exception ignored" not in stderr, stderr
    assert done.returncode in {0, 1, 2}, stderr
    if command in _NEED_KAFKA:
        first, last = stderr.splitlines()
        if command == "console":  # a service writes JSON lines
            first, last = json.loads(first)["text"], json.loads(last)["error"]
        assert first == "waiting for Kafka at 127.0.0.1:1, for up to 0 seconds"
        assert last.startswith("AccessError: Kafka at 127.0.0.1:1 does not answer")


@pytest.mark.parametrize("command", ["feed", "alerts"])
def test_a_command_says_soon_that_it_waits_for_kafka(command: str, folder: Path) -> None:
    arguments = f"{command} {_ARGUMENTS[command]}".format(folder).split()
    started = time.monotonic()
    with subprocess.Popen(
        command_line(*arguments),
        env=environment(**_environment(command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None and process.stdout is not None
        assert process.stderr.readline() == "waiting for Kafka at 127.0.0.1:1, for up to 20 seconds\n"
        assert time.monotonic() - started < 5  # with the start of Python, on a machine that is busy with tests
        process.terminate()
        assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (130, "", "")
