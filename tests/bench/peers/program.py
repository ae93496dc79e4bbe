"""Another stream processor as a process, and its rate."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final

from tests.bench.rate import Rate

_ROOT: Final = Path(__file__).parents[3]
#: The environment of the other frameworks (see Makefile); Faust is in the project's own.
_PEERS: Final = _ROOT / ".venv-bench" / "bin" / "python"
_SILENCE_SECONDS: Final = 120


def rate_of(name: str, servers: str, group: str, partitions: int, total: int) -> float:
    """Run `tests.bench.peers.<name>` until the measurement is done; return its rate in events/s."""
    python = sys.executable if name == "stock_faust" else str(_PEERS)
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": servers,
        "BENCH_GROUP": group,
        "BENCH_PARTITIONS": str(partitions),
        "PYTHONPATH": str(_ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    process = subprocess.Popen(
        [python, "-m", f"tests.bench.peers.{name}"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
    rate, received_at = Rate(total), time.monotonic()
    try:
        while not rate.done:
            assert time.monotonic() - received_at < _SILENCE_SECONDS, f"{name} prints nothing"
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                continue
            assert line is not None, f"{name} ended by itself"
            if line.strip().isdigit():
                received_at = time.monotonic()
                rate.add_sample(float(line))
    finally:
        process.kill()
        process.wait()
    return rate.per_second


def _read_lines(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
