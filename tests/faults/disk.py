"""The broker's disk fills up while a worker runs: `python -m tests.faults.disk`, on Linux, with the right to mount.

Invariant: the disk is a small file system of its own, so no other program's disk fills up. Kafka ends when it cannot
write. After space is freed and Kafka is started again, state and alerts must equal those of a clean replay.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from stream.config import KafkaSettings
from stream.market import simulate
from stream.ops.broker import Broker
from tests.kafka.group import Group, Worker, replay, wait

_DISK_MEGABYTES: Final = 512
_BLOCK: Final = b"\0" * 1024 * 1024


def fill(folder: Path) -> Path:
    """Fill the file system; return the file that takes the space."""
    file = folder / "filler"
    try:
        with file.open("wb", buffering=0) as out:
            while True:
                out.write(_BLOCK)
    except OSError:
        return file


def _is_down(broker: Broker) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", broker.port)) != 0


def main() -> None:
    """Mount a small file system and run on it."""
    with tempfile.TemporaryDirectory(prefix="volteface-disk-") as name:
        folder, disk = Path(name), Path(name) / "disk"
        disk.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tmpfs", str(disk)]
        subprocess.run(["mount", *options], check=True)
        try:
            _run(disk, folder)
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def _run(disk: Path, folder: Path) -> None:
    """Fill the disk, wait for Kafka's end, free the disk, restart Kafka, and compare with a replay."""
    events = folder / "market.jsonl"
    total = simulate.write("access", 5, 100, 160, events, folder / "truth.jsonl")
    expected, ids = replay(events, folder)
    with Broker(data=disk / "kafka") as broker:
        group = Group("disk", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), folder)
        group.command("feed", "--input", str(events))
        worker = Worker(group)
        try:
            worker.wait_for(total // 4)
            filler = fill(disk)
            ended = wait(lambda: _is_down(broker), 60, "Kafka runs on although its disk is full")
            time.sleep(10)
            assert worker.process.poll() is None, "the worker ended because Kafka did"
            filler.unlink()
            broker.stop()
            broker.start()
            restarted = time.monotonic()
            worker.wait_for(total, 120)
            done = time.monotonic() - restarted
            group.wait_for_state(expected)
            assert worker.stop() == 0
            group.assert_equals(expected, ids)
        finally:
            worker.kill()
    result = {"events": total, "kafka_ended_after_seconds": round(ended, 1), "all_done_after_seconds": round(done, 1)}
    sys.stdout.write(json.dumps(result | {"alerts": len(ids), "equal": "as a replay"}) + "\n")


if __name__ == "__main__":
    main()
