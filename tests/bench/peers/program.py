"""A peer as a process, and the rate at which it works."""

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
#: Their own environment (see Makefile); Faust is in ours.
_PEERS: Final = _ROOT / ".venv-bench" / "bin" / "python"
_PATIENCE_SECONDS: Final = 120


def rate_of(name: str, servers: str, group: str, partitions: int, total: int) -> float:
    """Run `tests.bench.peers.<name>` until it has done enough; events a second."""
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
    told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(process.stdout, told), daemon=True).start()
    rate, heard_at = Rate(total), time.monotonic()
    try:
        while not rate.done:
            assert time.monotonic() - heard_at < _PATIENCE_SECONDS, f"{name} is silent"
            try:
                line = told.get(timeout=1)
            except queue.Empty:
                continue
            assert line is not None, f"{name} ended by itself"
            if line.strip().isdigit():
                heard_at = time.monotonic()
                rate.see(float(line))
    finally:
        process.kill()
        process.wait()
    return rate.per_second


def _listen(stream: IO[str], told: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        told.put(line)
    told.put(None)
