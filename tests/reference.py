"""Reference outputs: what a refactoring must leave as it is, byte for byte.

Each replay case holds a replay's alerts (without `detected_at`) and the digests of its final state. The topics case
holds every row and record that one task writes while it reads a market with bad records in it. `python -m
tests.reference` writes the files anew; do that only in a commit that changes the results on purpose and says why.
"""

from __future__ import annotations

import asyncio
import gzip
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.engine.checkpoint import Checkpoint
from stream.engine.log_check import Start
from stream.engine.record_limits import RecordLimits
from stream.engine.task import EVIDENCE, Task
from stream.intake.intake import Intake
from stream.market import simulate
from stream.offline.replay import replay

DATA: Final = Path(__file__).parent / "data"
FOLDER: Final = DATA / "reference"
TASKS: Final = (1, 4)
#: Scenario, seed, sellers, days; None: the real app-store events.
SOURCES: Final[dict[str, tuple[str, int, int, int] | None]] = {
    "app_store": None,
    "access": ("access", 3, 60, 150),
    "dirty": ("dirty", 3, 60, 150),
}
#: So large that the threshold is at even odds and many alerts are raised.
_BUDGET: Final = 1000.0


class Fetched(NamedTuple):
    """A record as a Kafka client returns it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 1_000


class Memory:
    """A checkpoint store that keeps everything it was given, in order."""

    limits = RecordLimits()

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.rows: dict[bytes, bytes | None] = {}
        self.evidence: list[Fetched] = []
        self.delivered = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        yield []

    async def topic_ids(self) -> dict[str, str]:
        return {}

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        return Start(offsets or [0, 0, 0, 0, 0], [])

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None: ...

    async def commit(self, checkpoint: Checkpoint) -> None:
        self.rows.update(checkpoint.rows)
        for record in checkpoint.records:
            self.lines.append(msgspec.json.encode(list(record)))
            if record.topic == "integrity.evidence.v1":
                self.evidence.append(Fetched(len(self.evidence), record.key, record.value, tuple(record.headers)))

    def undelivered(self) -> list[Fetched]:
        """Evidence records that the task has not been given yet."""
        found, self.delivered = self.evidence[self.delivered :], len(self.evidence)
        return found


def replayed(name: str, tasks: int) -> bytes:
    """The lines of one replay case: a head with the digests, then the alerts."""
    with tempfile.TemporaryDirectory() as folder:
        source = DATA / "app_store.jsonl.gz"
        if (market := SOURCES[name]) is not None:
            source = Path(folder) / "events.jsonl"
            simulate.write(*market, source, Path(folder) / "truth.jsonl")
        alerts: list[Alert] = []
        result = replay(Settings(alert_budget=_BUDGET), str(source), tasks, alerts.append)
    head = {
        name: getattr(result, name)
        for name in ("events", "dead", "duplicates", "late", "flips", "alerts", "state_digest")
    }
    lines = [msgspec.json.encode(head)]
    lines += [msgspec.json.encode(msgspec.structs.replace(alert, detected_at=None)) for alert in alerts]
    return b"\n".join(lines) + b"\n"


async def _topics() -> bytes:
    settings, store = Settings(alert_budget=_BUDGET), Memory()
    task = Task(0, settings, Intake(settings, 1), store, lambda: 2e9)
    await task.restore()
    streams: tuple[list[Fetched], ...] = ([], [], [])
    for number, line in enumerate(simulate.simulate("access", 3, 16, 90).lines):
        event: dict[str, Any] = msgspec.json.decode(line)
        stream = ("review", "outreach", "contact").index(event["type"].split(".")[0])
        bad = (b"garbage", b'{"type":"review.burned"}', msgspec.json.encode(event | {"rating": 6}))
        key = event["seller_id"].encode()
        for value in (line, *([bad[number // 50 % 3]] if number % 50 == 0 else [])):
            streams[stream].append(Fetched(len(streams[stream]), key, value, (("trace", b"1"),)))
    for stream, records in enumerate(streams):
        task.take(stream, records)
    step = 1
    while step or task.blocked:
        step = task.step(lambda _: True, 10**9)
        await task.checkpoint(lambda alert: alert)
        if records := store.undelivered():
            task.take(EVIDENCE, records)
    lines = [msgspec.json.encode(row) for row in sorted(store.rows.items())]
    return b"\n".join([*lines, *store.lines]) + b"\n"


def topics() -> bytes:
    """The lines of the topics case: the state topic's rows after compaction, then all other records in order."""
    return asyncio.run(_topics())


def path(name: str) -> Path:
    """The file of a case."""
    return FOLDER / f"{name}.jsonl.gz"


def kept(name: str) -> bytes:
    """The content of a case's file."""
    return gzip.decompress(path(name).read_bytes())


def main() -> None:
    """Write all files."""
    outputs = {f"{name}-{tasks}": replayed(name, tasks) for name in SOURCES for tasks in TASKS}
    for name, content in (outputs | {"topics": topics()}).items():
        path(name).write_bytes(gzip.compress(content, mtime=0))
        print(f"{name}: {content.count(b'detected_at')} alerts, {len(content):,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
