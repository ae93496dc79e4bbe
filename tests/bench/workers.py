"""The rate of real `volteface worker` processes in a backlog: transactions, restore, metrics, all there is."""

from __future__ import annotations

import time

from tests.bench.rate import Rate
from tests.kafka.group import Group, Worker


def rate_of_workers(count: int, group: Group, total: int) -> float:
    """Events a second of so many workers in one group, whose topics hold `total` events."""
    processes = [Worker(group) for _ in range(count)]
    rate = Rate(total)
    try:
        while not rate.done:
            assert all(each.process.poll() is None for each in processes), "a worker ended by itself"
            rate.see(sum(each.events() for each in processes))
            time.sleep(2)  # asking takes a worker some 20 ms, which is no part of its work
    finally:
        for each in processes:
            each.stop()
    return rate.per_second
