"""`make bench`: events a second of the worker, of replay, of bare loops around the same core, and of its peers.

One market, one real Kafka, one after the other on the same machine, the order turned in every round; medians and
ratios are printed and written to results.json beside this file. Rates are those of the middle of a run, from 10 % to
90 % of the events, so that neither start nor end counts (a slow program is measured for a minute). Nothing else should
run meanwhile. The market has 16,000 events a day: at such rates the end of a day, when tasks wait for each other, would
never come as often as in a small one. SELLERS, DAYS, ROUNDS and PROGRAMS (names, separated by commas) make it another.
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
from stream.ops.jars import VERSION
from tests.bench import bare
from tests.bench.peers.program import rate_of
from tests.bench.pictures import FIGURES, draw
from tests.bench.workers import rate_of_workers
from tests.kafka.group import Group

RESULTS: Final = Path(__file__).parent / "results.json"
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
SELLERS: Final = int(os.environ.get("SELLERS", "4000"))
DAYS: Final = int(os.environ.get("DAYS", "60"))
PARTITIONS: Final = 8
#: As pyproject.toml pins them.
PEER_VERSIONS: Final = {"bytewax": "0.21.1", "quixstreams": "3.28.1"}


def workers(count: int) -> Callable[[Group, Path, int], float]:
    """`volteface worker`, so many of them in one group."""

    def run(group: Group, source: Path, total: int) -> float:
        return rate_of_workers(count, group, total)

    return run


def bare_loop(group: Group, source: Path, total: int) -> float:
    """aiokafka's consumer, the same decoding, merge and core; no group, no state kept, nothing sent."""
    return bare.run(group.settings, group.kafka, total, PARTITIONS)


def core_only(group: Group, source: Path, total: int) -> float:
    """A loop that only calls the core, with events that are decoded and in order."""
    return bare.core_only(group.settings, source, PARTITIONS)


def replay(group: Group, source: Path, total: int) -> float:
    """`volteface replay`, with the splitting of its file."""
    command = group.command("replay", "--input", str(source), "--partitions", str(PARTITIONS))
    return float(msgspec.json.decode(command)["events_per_second"])


def peer(name: str) -> Callable[[Group, Path, int], float]:
    """Another stream processor, with the same core and less to keep."""

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
    """Measure and tell."""
    names = os.environ.get("PROGRAMS", ",".join(PROGRAMS)).split(",")
    found: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="volteface-bench-") as name, Broker() as broker:
        folder = Path(name)
        source = folder / "market.jsonl"
        total = simulate.write("bribes", 1, SELLERS, DAYS, source, folder / "truth.jsonl")
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        _say(f"{total:,} events, {PARTITIONS} partitions, {ROUNDS} rounds, {os.cpu_count()} cores shared with Kafka")
        topics.create(Settings(app_id="feed"), kafka, PARTITIONS, 1)
        feed(Settings(), kafka, str(source), None, lambda _: None)
        for turn in range(ROUNDS):
            for each in names[turn % len(names) :] + names[: turn % len(names)]:
                group = Group(f"bench-{names.index(each)}-{turn}", kafka, folder, Settings(), PARTITIONS)
                found[each].append(PROGRAMS[each](group, source, total))
                _say(f"round {turn + 1}: {each:30} {found[each][-1]:>10,.0f} events/s")
    _tell(found, total)


def _tell(found: dict[str, list[float]], total: int) -> None:
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    first = medians.get("worker", math.nan)
    _say(f"\n{'median':30} {'events/s':>10} {'worker is':>10}")
    for name, median in medians.items():
        _say(f"{name:30} {median:>10,.0f} {first / median:>9.2f}x")
    if len(found) < len(PROGRAMS):
        return  # results.json tells of all of them
    libraries = ("faust-streaming", "aiokafka", "river", "msgspec", "numpy")
    results = {
        "events": total,
        "sellers": SELLERS,
        "days": DAYS,
        "partitions": PARTITIONS,
        "rounds": found,
        "medians": medians,
        "worker_ratio": {name: first / median for name, median in medians.items()},
        "python": sys.version,  # with its compiler: how Python was built is worth a tenth
        "kafka": VERSION,
        "cores": os.cpu_count(),
        "libraries": {name: version(name) for name in libraries} | PEER_VERSIONS,
    }
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    draw(found, FIGURES / "throughput.png")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
