"""How much a command imports before it knows what it is to do."""

from __future__ import annotations

import subprocess
import sys


def test_the_command_starts_without_the_detector_and_without_kafka() -> None:
    # Each of them takes as long to import as all the rest, and most commands and `--help` need none.
    heavy = ("numpy", "river", "kafka", "faust", "duckdb", "starlette", "stream.core.detector")
    program = f"import sys; import stream.cli.main; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
