"""How fast the console is with many cases: the read model from nothing, and pages on the server.

    python -m tests.bench.console --cases 100000

Prints seconds until a console is ready, and the 50th and 95th percentile of pages in milliseconds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from kafka import KafkaProducer

from stream.config import KafkaSettings, Settings
from stream.contract.alerts import Subject
from stream.contract.cases import Case
from stream.ops import topics
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection

_EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples" / "case.v1.jsonl"
_STATES: Final = ("open", "open", "decided", "closed")


def main() -> None:
    """Measure, and print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=100_000)
    count = arguments.parse_args().cases
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        topics.create(Settings(), kafka, 4, 1)
        _print(f"{count:,} cases, {_fill(kafka, count) / 1e6:,.0f} MB")
        port = free_port()
        own = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "VOLTEFACE_CONSOLE_PORT": str(port)}
        environment = {**os.environ, **own, "VOLTEFACE_CONSOLE_DATA": folder}
        for kind in ("from nothing", "with its file"):
            begun = time.monotonic()
            console = subprocess.Popen([sys.executable, "-m", "stream.cli", "console"], env=environment)
            _wait(port)
            _print(f"ready {kind}: {time.monotonic() - begun:.1f} s")
            if kind == "with its file":
                _pages(port, count)
            console.terminate()
            console.wait(20)
        _print(f"file: {(Path(folder) / 'cases.sqlite').stat().st_size / 1e6:,.0f} MB")


def _fill(kafka: KafkaSettings, count: int) -> int:
    """Write cases like the examples, each with ids of its own; return their bytes."""
    examples = [msgspec.json.decode(line, type=Case) for line in _EXAMPLES.read_bytes().splitlines()]
    chance, size = random.Random(1), 0
    producer = KafkaProducer(**connection(kafka), linger_ms=50, batch_size=1 << 18, compression_type="lz4")
    for number in range(count):
        case = examples[number % len(examples)]
        reviews = [
            msgspec.structs.replace(review, review_id=f"r{number}x{place}", product_id=f"p{number}x{place % 6}")
            for place, review in enumerate(case.evidence.reviews)
        ]
        case = msgspec.structs.replace(
            case,
            case_id=f"{chance.getrandbits(128):032x}",
            subject=Subject(case.subject.type, f"seller-{number}"),
            priority=chance.random(),
            state=chance.choice(_STATES),
            evidence=msgspec.structs.replace(case.evidence, reviews=reviews),
            updated_at=case.updated_at + dt.timedelta(seconds=number),
        )
        value = msgspec.json.encode(case)
        size += len(value)
        producer.send(Settings().cases_topic, key=case.case_id.encode(), value=value)
    producer.flush()
    producer.close()
    return size


def _wait(port: int) -> None:
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def _pages(port: int, count: int) -> None:
    chance = random.Random(2)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        lists = "".join(client.get(f"/?page={page}").text for page in range(1, 5))
        cases = re.findall(r'data-href="(/cases/[0-9a-f]+)"', lists)
        kinds: dict[str, Iterable[str]] = {
            "queue": (f"/?page={page}" for page in range(1, 101)),
            "queue by kind, severity and due date": (
                f"/?kind=seller.access_flips&severity=critical&order=due&page={page}" for page in range(1, 51)
            ),
            "decided, the latest first": (f"/?state=decided&order=updated&page={page}" for page in range(1, 51)),
            "all": (f"/?state=all&page={page}" for page in range(1, 51)),
            "search for a review": (f"/?state=all&text=r{chance.randrange(count)}x0" for _ in range(50)),
            "case": cases,
            "subject": (f"/subjects?id=seller-{chance.randrange(count)}" for _ in range(50)),
        }
        for name, addresses in kinds.items():
            _show(name, [_milliseconds(client, address) for address in addresses])


def _milliseconds(client: httpx.Client, address: str) -> float:
    begun = time.perf_counter()
    answer: Any = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return 1000 * (time.perf_counter() - begun)


def _show(name: str, found: list[float]) -> None:
    _print(f"{name}: p50 {statistics.median(found):.1f} ms, p95 {sorted(found)[int(0.95 * len(found))]:.1f} ms")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
