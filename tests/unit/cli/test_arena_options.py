"""The markets that `volteface arena` chooses: scenarios, files with planted cheats, files as they are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stream.arena.contest import KINDS
from stream.arena.results import Report
from stream.cli.development import _kinds
from tests.unit.cli.conftest import Invoke

_EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples" / "review.created.v1.jsonl"


def test_real_events_alone_are_a_contest(invoke: Invoke) -> None:
    Path("events.jsonl").write_bytes(_EXAMPLES.read_bytes())
    files = [*("--as-is", "events.jsonl"), *("--as-is", "events.jsonl")]
    done = invoke("arena", "--kinds", "none", *files, "--competitors", "volteface,oracle", "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == Path("out/arena.md").read_text()
    assert "## Real events as they are" in done.stdout
    assert "## At equal numbers" not in done.stdout
    found = msgspec.json.decode(Path("out/arena.json").read_bytes(), type=Report)
    assert [(one.file, one.name) for one in found.as_is] == [("events.jsonl", "volteface")]


def test_kinds_are_scenarios_and_files(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.touch()
    assert _kinds("none") == []
    assert _kinds(f"all,{file}") == [*KINDS, str(file)]
    assert _kinds("bribes,honest,bribes") == ["bribes", "honest"]


def test_an_unknown_kind_is_an_error_before_the_work(invoke: Invoke) -> None:
    done = invoke("arena", "--kinds", "bribes,brides", "--out", "out")
    assert done.exit_code == 2
    assert "'brides' is neither" in " ".join(done.stderr.replace("│", " ").split())
    assert not Path("out").exists()


def test_a_contest_without_a_market_is_an_error(invoke: Invoke) -> None:
    done = invoke("arena", "--kinds", "none", "--out", "out")
    assert done.exit_code == 2
    assert "--kinds none leaves no market" in done.stderr


@pytest.mark.parametrize("option", [("--kinds",), ("--kinds", "none", "--as-is")])
def test_a_line_that_is_no_event_is_an_error_before_the_work(option: tuple[str, ...], invoke: Invoke) -> None:
    Path("events.jsonl").write_bytes(
        _EXAMPLES.read_bytes().splitlines(keepends=True)[0] + b'{"type":"review.created"}\n'
    )
    done = invoke("arena", *option, "events.jsonl", "--out", "out")
    assert done.exit_code == 2
    message = " ".join(done.stderr.replace("│", " ").split())
    assert "line 2 of events.jsonl is no event: Object missing required field" in message
    assert "`volteface feed --check --input events.jsonl` checks all lines" in message
    assert not Path("out").exists()
