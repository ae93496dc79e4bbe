"""The promise: the compiled core and the same sources run as Python give the same alerts and the same state."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

import stream
from stream import core
from stream.market import simulate

ROOT = Path(stream.__path__[0]).parent
SHOW = "from stream.core import detector; print(detector.__file__)"


def compiled() -> list[str]:
    return sorted(path.name.partition(".")[0] for path in Path(core.__path__[0]).glob("*.so"))


def run(folder: Path, *arguments: str) -> str:
    """Python's output, the package being the one in `folder`."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip


def replay(folder: Path, source: Path, alerts: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a replay prints but for its speed, and its alerts but for the time of their detection."""
    told = run(folder, "-m", "stream.cli", "replay", "--input", str(source), "--alerts", str(alerts))
    result: dict[str, Any] = msgspec.json.decode(told)
    raised = [msgspec.json.decode(line) for line in alerts.read_bytes().splitlines()]
    for name in ("seconds", "events_per_second"):
        del result[name]
    for alert in raised:
        del alert["detected_at"]
    return result, raised


@pytest.mark.slow
@pytest.mark.skipif(not compiled(), reason="the core is not compiled here: no C compiler, or no headers of Python")
def test_compiled_and_python_core_give_the_same(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    simulate.write("dirty", 3, 60, 120, events, tmp_path / "truth.jsonl")
    python = tmp_path / "python"
    shutil.copytree(ROOT / "stream", python / "stream", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    assert run(python, "-c", SHOW).strip() == str(python / "stream/core/detector.py")
    assert run(ROOT, "-c", SHOW).strip().endswith(".so")
    quick, plain = replay(ROOT, events, tmp_path / "a"), replay(python, events, tmp_path / "b")
    assert quick == plain
    assert quick[1], "a market without an alert would compare little"


@pytest.mark.skipif(not compiled(), reason="the core is not compiled here: no C compiler, or no headers of Python")
def test_all_that_is_to_be_compiled_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
    assert compiled() == sorted([*(Path(name).stem for name in hook["include"]), "compiled__mypyc"])
