"""Files that cannot be read: one line that names the file and what is wrong."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.ops import event_files
from tests.unit.cli.conftest import Invoke

_COMMANDS = [
    "replay --input",
    "replay --sort --input",
    "calibrate --input",
    "feed --input",
    "feed --check --input",
]
_EVENTS = Path(__file__).parent.parent.parent.parent / "schemas" / "examples" / "review.created.v1.jsonl"
_WHOLE = gzip.compress(_EVENTS.read_bytes() * 100, mtime=0)


@pytest.fixture(autouse=True)
def _feed_reads_without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(settings: object, kafka: object, source: str, speed: None, progress: object, *_: object) -> None:
        with event_files.lines(source) as lines:
            list(lines)

    monkeypatch.setattr("stream.feed.feed", feed)


@pytest.mark.parametrize(
    "command",
    [
        *_COMMANDS,
        "market --seed 1 --out out --truth truth --background",
        "arena --kinds",
        "arena --kinds none --as-is",
    ],
)
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (_WHOLE[:-9], "the file is cut"),
        (_WHOLE[:12], "the file is cut"),
        (b"no gzip", "Not a gzipped file"),
        (_WHOLE[:-8] + bytes(4) + _WHOLE[-4:], "CRC check failed"),
        (_WHOLE[:12] + b"\xff" * 9 + _WHOLE[21:], "damaged"),
    ],
    ids=["no checksum", "cut early", "no gzip", "wrong checksum", "damaged"],
)
def test_a_damaged_gz_file_is_named(command: str, content: bytes, what: str, invoke: Invoke) -> None:
    Path("events.jsonl.gz").write_bytes(content)
    done = invoke(*command.split(), "events.jsonl.gz")
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("events.jsonl.gz cannot be read to its end: ")
    assert what in line


@pytest.mark.parametrize("command", [*_COMMANDS, "convert --out events.jsonl --sql"])
@pytest.mark.parametrize(
    ("name", "what"), [("none.jsonl", "there is no such file"), ("folder", "it is a folder"), ("[/b]", "no such file")]
)
def test_a_file_that_cannot_be_opened_is_named(command: str, name: str, what: str, invoke: Invoke) -> None:
    Path("folder").mkdir()
    done = invoke(*command.split(), name)
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name} cannot be read: ")
    assert line.endswith(what)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(invoke: Invoke) -> None:
    Path("secret.jsonl").touch(0o000)
    assert invoke("replay", "--input", "secret.jsonl").stderr == "secret.jsonl cannot be read: you have no permission\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "--input", "events.jsonl", "--alerts", "events.jsonl"),
        ("market", "--scenario", "honest", "--seed", "1", "--out", "events.jsonl", "--truth", "events.jsonl"),
        ("market", "--background", "events.jsonl", "--seed", "1", "--out", "events.jsonl", "--truth", "truth.jsonl"),
        ("plot", "--alerts", "events.jsonl", "--out", "events.jsonl"),
        ("convert", "--sql", "events.jsonl", "--out", "events.jsonl"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_command_overwrites_one_of_its_files(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"{}\n")
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert "is given twice" in done.output
    assert events.read_bytes() == b"{}\n"


def test_a_result_that_cannot_be_written_is_an_error_before_the_work(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"{}\n")
    missing = tmp_path / "no" / "alerts.jsonl"
    done = CliRunner().invoke(cli, ["replay", "--input", str(events), "--alerts", str(missing)])
    assert done.exit_code == 1
    assert "there is no folder" in done.output.replace("\n", " ")
    assert done.stdout == "", "nothing was replayed"
