"""`make bench`: events a second of the worker, of replay, and of a bare loop around the same core, side by side.

One market, one real Kafka, one after the other on the same machine, the order turned in every round; medians and
ratios are printed and written to results.json beside this file. Rates are those of the middle of a run, from 10 % to
90 % of the events, so that neither start nor end counts. Nothing else should run meanwhile.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from stream.config import KafkaSettings, Settings
from stream.market import simulate
from stream.ops import feed, topics
from stream.ops.broker import VERSION, Broker
from tests.bench import bare
from tests.bench.rate import Rate
from tests.kafka.group import PARTITIONS, Group, Worker

RESULTS: Final = Path(__file__).parent / "results.json"
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
SELLERS: Final = int(os.environ.get("SELLERS", "500"))
DAYS: Final = 240


def worker(group: Group, source: Path, total: int) -> float:
    """`volteface worker`: transactions, restore, metrics, all there is."""
    process = Worker(group)
    rate = Rate(total)
    try:
        while not rate.done:
            assert process.process.poll() is None, "the worker ended by itself"
            rate.see(process.events())
            time.sleep(0.5)  # asking takes its time, too
    finally:
        process.stop()
    return rate.per_second


def bare_loop(group: Group, source: Path, total: int) -> float:
    """aiokafka's consumer, the same decoding, merge and core; no group, no state kept, nothing sent."""
    return bare.run(group.settings, group.kafka, total)


def replay(group: Group, source: Path, total: int) -> float:
    """`volteface replay`, with the splitting of its file."""
    command = group.command("replay", "--input", str(source), "--partitions", str(PARTITIONS))
    return float(msgspec.json.decode(command)["events_per_second"])


PROGRAMS: Final[dict[str, Callable[[Group, Path, int], float]]] = {
    "worker": worker,
    "bare aiokafka loop, same core": bare_loop,
    "replay": replay,
}


def main() -> None:
    """Measure and tell."""
    found: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory(prefix="volteface-bench-") as name, Broker() as broker:
        folder = Path(name)
        source = folder / "market.jsonl"
        total = simulate.write("bribes", 1, SELLERS, DAYS, source, folder / "truth.jsonl")
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        _say(f"{total:,} events, {PARTITIONS} partitions, {ROUNDS} rounds, {os.cpu_count()} cores shared with Kafka")
        topics.create(Settings(app_id="feed"), kafka, PARTITIONS, 1)
        feed.feed(Settings(), kafka, str(source), None, lambda _: None)
        names = list(PROGRAMS)
        for turn in range(ROUNDS):
            for each in names[turn % len(names) :] + names[: turn % len(names)]:
                group = Group(f"bench-{names.index(each)}-{turn}", kafka, folder, inputs=Settings())
                found[each].append(PROGRAMS[each](group, source, total))
                _say(f"round {turn + 1}: {each:32} {found[each][-1]:>10,.0f} events/s")
    _tell(found, total)


def _tell(found: dict[str, list[float]], total: int) -> None:
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    first = medians["worker"]
    _say(f"\n{'median':34} {'events/s':>10} {'worker is':>10}")
    for name, median in medians.items():
        _say(f"{name:34} {median:>10,.0f} {first / median:>9.2f}x")
    libraries = ("faust-streaming", "aiokafka", "river", "msgspec", "numpy")
    results = {
        "events": total,
        "partitions": PARTITIONS,
        "rounds": found,
        "medians": medians,
        "worker_ratio": {name: first / median for name, median in medians.items()},
        "python": platform.python_version(),
        "kafka": VERSION,
        "cores": os.cpu_count(),
        "libraries": {name: version(name) for name in libraries},
    }
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
