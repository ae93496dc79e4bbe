"""`python -m tests.bench.latency`: seconds from an event's record in Kafka to its alert in Kafka, by load.

A market is fed to one worker at a quarter, a half and three quarters of its rate in a backlog, which is measured first,
in the same run on the same Kafka. The quantiles are those of `volteface_event_to_alert_seconds`, interpolated between
its buckets as Prometheus does, for the alerts raised while the feed ran. The variable SELLERS sets the market's size.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from stream.config import KafkaSettings
from stream.feed import feed
from stream.market import simulate
from stream.ops.broker import Broker
from tests.bench.plots import draw_curves
from tests.bench.workers import rate_of_workers
from tests.kafka.group import Group, Worker, wait

SELLERS: Final = int(os.environ.get("SELLERS", "500"))
PARTITIONS: Final = 8
DAYS: Final = 240
LOADS: Final = (0.25, 0.5, 0.75)
_DAY_SECONDS: Final = 86_400


def buckets_of(page: str) -> list[tuple[float, float]]:
    """Return the buckets of the histogram on a page, of all input: upper bound in seconds, alerts up to it."""
    name = "volteface_event_to_alert_seconds"
    families = text_string_to_metric_families(page)
    family = next(candidate for candidate in families if candidate.name == name)
    buckets: Counter[float] = Counter()
    for row in family.samples:
        if row.name == f"{name}_bucket":
            buckets[float(row.labels["le"])] += row.value  # type: ignore[assignment]  # a Counter of floats
    return sorted(buckets.items())


def quantile(buckets: list[tuple[float, float]], share: float) -> float:
    """Return a quantile in seconds; infinite above the last finite bucket, NaN without alerts."""
    rank = share * buckets[-1][1]
    for (low, below), (high, up_to) in pairwise([(0.0, 0.0), *buckets]):
        if up_to >= rank > below:
            return low + (high - low) * (rank - below) / (up_to - below)
    return float("nan")


def main() -> None:
    """Measure all loads and print the results."""
    with tempfile.TemporaryDirectory(prefix="volteface-bench-") as name, Broker() as broker:
        folder = Path(name)
        source = folder / "market.jsonl"
        total = simulate.write("cheats", 1, SELLERS, DAYS, source, folder / "truth.jsonl")
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        backlog = Group("backlog", kafka, folder, partitions=PARTITIONS)
        feed(backlog.settings, kafka, str(source), None, lambda _: None)
        backlog_rate = rate_of_workers(1, backlog, total)
        _print(f"{total:,} events, {PARTITIONS} partitions; one worker does {backlog_rate:,.0f} events/s in a backlog")
        _print(f"{'load':>6} {'events/s':>9} {'alerts':>7} {'p50 s':>7} {'p99 s':>7}")
        rates, p50s, p99s = list[float](), list[float](), list[float]()
        for load in LOADS:
            group = Group(f"load-{load}", kafka, folder, partitions=PARTITIONS)
            worker = Worker(group)
            try:
                wait(worker.ready, 60, "the worker is not ready")
                speed = DAYS * _DAY_SECONDS / (total / (load * backlog_rate))
                fed = feed(group.settings, kafka, str(source), speed, lambda _: None)
                # The last events wait for `max_idle_seconds`, as no event follows; their alerts do not count.
                page = worker.page("/metrics")
            finally:
                worker.stop()
            buckets = buckets_of(page)
            p50, p99 = quantile(buckets, 0.5), quantile(buckets, 0.99)
            rates.append(total / fed.seconds)
            p50s.append(p50)
            p99s.append(p99)
            _print(f"{load:>6} {rates[-1]:>9,.0f} {buckets[-1][1]:>7.0f} {p50:>7.2f} {p99:>7.2f}")
    labels = ("events a second, fed to one worker", "seconds from an event to its alert")
    draw_curves(rates, {"p50": p50s, "p99": p99s}, labels, "latency.png")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
