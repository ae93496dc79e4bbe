"""The rate of real `volteface worker` processes in a backlog, with transactions, restore and metrics."""

from __future__ import annotations

import time

from tests.bench.rate import Rate
from tests.kafka.group import Group, Worker


def rate_of_workers(count: int, group: Group, total: int) -> float:
    """Return the rate in events/s of `count` workers in one group, whose topics hold `total` events."""
    processes = [Worker(group) for _ in range(count)]
    rate = Rate(total)
    try:
        while not rate.done:
            assert all(worker.process.poll() is None for worker in processes), "a worker ended by itself"
            rate.add_sample(sum(worker.events() for worker in processes))
            time.sleep(2)  # each query costs a worker some 20 ms
    finally:
        for worker in processes:
            worker.stop()
    return rate.per_second
