"""The broker's disk fills up under a worker: `python -m tests.faults.disk`, on Linux, by somebody who may mount.

Rule of this room: the disk is a small file system of its own, so that nobody else's is filled. Kafka ends when it
cannot write; when there is room again it is started again, and state and alerts must be those of a clean replay.
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
    """Leave no room; the file that takes it."""
    file = folder / "filler"
    try:
        with file.open("wb", buffering=0) as out:
            while True:
                out.write(_BLOCK)
    except OSError:
        return file


def _gone(broker: Broker) -> bool:
    with socket.socket() as knock:
        knock.settimeout(1)
        return knock.connect_ex(("127.0.0.1", broker.port)) != 0


def main() -> None:
    """Fill it, see Kafka end, make room, and compare."""
    with tempfile.TemporaryDirectory(prefix="volteface-disk-") as name:
        folder, disk = Path(name), Path(name) / "disk"
        disk.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tmpfs", str(disk)]
        subprocess.run(["mount", *options], check=True)
        try:
            _on(disk, folder)
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def _on(disk: Path, folder: Path) -> None:
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
            ended = wait(lambda: _gone(broker), 60, "Kafka goes on without room on its disk")
            time.sleep(10)
            assert worker.process.poll() is None, "the worker ended because Kafka did"
            filler.unlink()
            broker.stop()
            broker.start()
            begun = time.monotonic()
            worker.wait_for(total, 120)
            back = time.monotonic() - begun
            group.settle(expected)
            assert worker.stop() == 0
            group.assert_equals(expected, ids)
        finally:
            worker.kill()
    told = {"events": total, "kafka_ended_after_seconds": round(ended, 1), "all_done_after_seconds": round(back, 1)}
    sys.stdout.write(json.dumps(told | {"alerts": len(ids), "equal": "as a replay"}) + "\n")


if __name__ == "__main__":
    main()
