"""`make bench`: events/s of the worker, of replay, of bare loops around the same core, and of other stream processors.

All programs read one market from one real Kafka on the same machine, one after the other; the order rotates each round.
Medians and ratios are printed and written to results.json beside this file. A rate is measured from 10 % to 90 % of the
events, so that start and end do not count (a slow program: for a minute). No other program should run meanwhile. The
market has 16,000 events a day: in a smaller one, tasks would wait for each other at the end of a day more often than
any real market makes them. The variables SELLERS, DAYS, ROUNDS, PROGRAMS (names, separated by commas) change the run.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from stream.config import KafkaSettings, Settings
from stream.feed import feed
from stream.market import simulate
from stream.ops import topics
from stream.ops.broker import Broker
from stream.ops.kafka_distribution import VERSION
from tests.bench import bare
from tests.bench.peers.program import rate_of
from tests.bench.plots import FIGURES, draw
from tests.bench.workers import rate_of_workers
from tests.kafka.group import Group

RESULTS: Final = Path(__file__).parent / "results.json"
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
SELLERS: Final = int(os.environ.get("SELLERS", "4000"))
DAYS: Final = int(os.environ.get("DAYS", "60"))
PARTITIONS: Final = 8
#: The versions that pyproject.toml pins.
PEER_VERSIONS: Final = {"bytewax": "0.21.1", "quixstreams": "3.28.1"}


def workers(count: int) -> Callable[[Group, Path, int], float]:
    """`volteface worker`, `count` processes in one group."""

    def run(group: Group, source: Path, total: int) -> float:
        return rate_of_workers(count, group, total)

    return run


def bare_loop(group: Group, source: Path, total: int) -> float:
    """aiokafka's consumer, the same decoding, merge and core; no group, no stored state, no output."""
    return bare.run(group.settings, group.kafka, total, PARTITIONS)


def core_only(group: Group, source: Path, total: int) -> float:
    """A loop that only calls the core, with decoded events in order."""
    return bare.core_only(group.settings, source, PARTITIONS)


def replay(group: Group, source: Path, total: int) -> float:
    """`volteface replay`, including the splitting of its file."""
    output = group.command("replay", "--input", str(source), "--partitions", str(PARTITIONS))
    return float(msgspec.json.decode(output)["events_per_second"])


def peer(name: str) -> Callable[[Group, Path, int], float]:
    """Another stream processor with the same core, which stores less state."""

    def run(group: Group, source: Path, total: int) -> float:
        return rate_of(name, group.kafka.bootstrap_servers, group.settings.app_id, PARTITIONS, total)

    return run


PROGRAMS: Final[dict[str, Callable[[Group, Path, int], float]]] = {
    "worker": workers(1),
    "two workers": workers(2),
    "replay": replay,
    "loop that only calls the core": core_only,
    "bare aiokafka loop": bare_loop,
    "bare confluent-kafka loop": peer("bare_confluent"),
    "stock Faust": peer("stock_faust"),
    "Bytewax": peer("bytewax_flow"),
    "Quix Streams": peer("quix_app"),
}


def main() -> None:
    """Measure all programs and print the results."""
    names = os.environ.get("PROGRAMS", ",".join(PROGRAMS)).split(",")
    found: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="volteface-bench-") as name, Broker() as broker:
        folder = Path(name)
        source = folder / "market.jsonl"
        total = simulate.write("bribes", 1, SELLERS, DAYS, source, folder / "truth.jsonl")
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        _print(f"{total:,} events, {PARTITIONS} partitions, {ROUNDS} rounds, {os.cpu_count()} cores shared with Kafka")
        topics.create(Settings(app_id="feed"), kafka, PARTITIONS, 1)
        feed(Settings(), kafka, str(source), None, lambda _: None)
        for number in range(ROUNDS):
            for program in names[number % len(names) :] + names[: number % len(names)]:
                group = Group(f"bench-{names.index(program)}-{number}", kafka, folder, Settings(), PARTITIONS)
                found[program].append(PROGRAMS[program](group, source, total))
                _print(f"round {number + 1}: {program:30} {found[program][-1]:>10,.0f} events/s")
    _report(found, total)


def _report(found: dict[str, list[float]], total: int) -> None:
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    worker = medians.get("worker", math.nan)
    _print(f"\n{'median':30} {'events/s':>10} {'worker is':>10}")
    for name, median in medians.items():
        _print(f"{name:30} {median:>10,.0f} {worker / median:>9.2f}x")
    if len(found) < len(PROGRAMS):
        return  # results.json holds complete runs only
    libraries = ("faust-streaming", "aiokafka", "river", "msgspec", "numpy")
    results = {
        "events": total,
        "sellers": SELLERS,
        "days": DAYS,
        "partitions": PARTITIONS,
        "rounds": found,
        "medians": medians,
        "worker_ratio": {name: worker / median for name, median in medians.items()},
        "python": sys.version,  # with its compiler: the build of Python changes the rates by a tenth
        "kafka": VERSION,
        "cores": os.cpu_count(),
        "libraries": {name: version(name) for name in libraries} | PEER_VERSIONS,
    }
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    draw(found, FIGURES / "throughput.png")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
