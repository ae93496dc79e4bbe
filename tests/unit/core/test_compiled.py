"""The compiled core and the same sources run as Python give the same alerts and the same state."""

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
PRINT_PATH = "from stream.core import detector; print(detector.__file__)"


def compiled() -> list[str]:
    """The names of the compiled modules."""
    return sorted(path.name.partition(".")[0] for path in Path(core.__path__[0]).rglob("*.so"))


def run(folder: Path, *arguments: str) -> str:
    """Run Python in `folder`, with the package of that folder, and return its output."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip


def replay(folder: Path, source: Path, alerts: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Replay events; return the result without its speed, and the alerts without the time of their detection."""
    output = run(folder, "-m", "stream.cli", "replay", "--input", str(source), "--alerts", str(alerts))
    result: dict[str, Any] = msgspec.json.decode(output)
    raised = [msgspec.json.decode(line) for line in alerts.read_bytes().splitlines()]
    for name in ("seconds", "events_per_second"):
        del result[name]
    for alert in raised:
        del alert["detected_at"]
    return result, raised


@pytest.mark.slow
@pytest.mark.skipif(not compiled(), reason="the core is not compiled here: no C compiler, or no Python headers")
def test_compiled_and_python_core_give_the_same(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    simulate.write("dirty", 3, 60, 120, events, tmp_path / "truth.jsonl")
    python = tmp_path / "python"
    shutil.copytree(ROOT / "stream", python / "stream", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    assert run(python, "-c", PRINT_PATH).strip() == str(python / "stream/core/detector.py")
    assert run(ROOT, "-c", PRINT_PATH).strip().endswith(".so")
    from_compiled, from_python = replay(ROOT, events, tmp_path / "a"), replay(python, events, tmp_path / "b")
    assert from_compiled == from_python
    assert from_compiled[1], "a market without an alert would compare little"


@pytest.mark.skipif(not compiled(), reason="the core is not compiled here: no C compiler, or no Python headers")
def test_every_configured_module_is_compiled() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
    assert compiled() == sorted([*(Path(name).stem for name in hook["include"]), "compiled__mypyc"])
