"""Costs of a task by its size: microseconds per event, bytes per open review, seconds of a restore.

`python -m tests.bench.growth` prints a table for 10^4, 10^5 and 10^6 open critical reviews, each in a process of its
own; it needs no Kafka. The measured events are new reviews, contacts, look-ups and flips in the same proportions at
every size, with the same number of sellers per review, so that only the size differs.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client import ProcessCollector

from stream.contract.events import ContactAccessed, Event, OutreachSent, ReviewCreated, ReviewEdited
from stream.core.detector import Detector
from stream.core.model.strata import DAY
from stream.ops.memory import collect_less_often
from tests.bench.plots import draw_curves

SIZES: Final = (10_000, 100_000, 1_000_000)
#: The critical reviews are created evenly within this number of days, and stay open.
_DAYS: Final = 90
_START: Final = 1_700_000_000.0
#: Events of the measured part per open review: few, so that the size hardly changes.
_MEASURED_SHARE: Final = 0.2


def _creation(number: int, reviews: int) -> tuple[float, ReviewCreated]:
    at = _START + number * _DAYS * DAY / reviews
    sellers = max(reviews // 250, 1)
    return at, ReviewCreated(
        event_id=f"b{number}", occurred_at=dt.datetime.fromtimestamp(at, dt.UTC), seller_id=f"s{number % sellers}",
        review_id=f"r{number}", product_id=f"p{number % (4 * sellers)}", reviewer_id=f"u{number}",
        rating=1 + number % 3,
    )  # fmt: skip


def _market(reviews: int, chance: random.Random) -> Iterator[tuple[float, Event]]:
    """Yield events: of a hundred, 84 new reviews, 10 contacts, 5 look-ups and a flip, of reviews of all ages."""
    for number in range(int(_MEASURED_SHARE * reviews)):
        at, created = _creation(reviews + number, reviews)
        kind = number % 100
        old = _creation(chance.randrange(reviews), reviews)[1]
        common: dict[str, Any] = {
            "event_id": f"e{number}", "occurred_at": created.occurred_at, "seller_id": old.seller_id,
        }  # fmt: skip
        if kind < 84:
            yield at, created
        elif kind < 94:
            yield at, OutreachSent(**common, reviewer_id=old.reviewer_id, review_id=old.review_id, channel="message")
        elif kind < 99:
            actor_id = f"staff-{chance.randrange(50)}"
            yield at, ContactAccessed(**common, actor_id=actor_id, review_id=old.review_id, reviewer_id=old.reviewer_id)
        else:
            yield (
                at,
                ReviewEdited(
                    **common, review_id=old.review_id, product_id=old.product_id, reviewer_id=old.reviewer_id, rating=5
                ),
            )


def _memory_bytes() -> float:
    samples = next(metric for metric in ProcessCollector(registry=None).collect() if "resident" in metric.name)
    return float(samples.samples[0].value)


def measure(reviews: int) -> dict[str, float]:
    """Measure one size."""
    collect_less_often()
    memory_before = _memory_bytes()
    detector = Detector(3, "digest")
    for number in range(reviews):
        at, created = _creation(number, reviews)
        detector.apply(created, at)
    detector.rows.changed()
    detector.take_outbox()
    used = _memory_bytes() - memory_before
    events = list(_market(reviews, random.Random(1)))
    count = len(events)
    started = time.perf_counter()
    for at, event in events:
        detector.apply(event, at)
    spent = time.perf_counter() - started
    flips = detector.state.counts["upgraded"]
    detector.state.changed_names = {
        kind: {*names} for kind, names in detector.rows.names()
    }  # all rows, as in a changelog
    rows = [(key, value) for key, value in detector.rows.changed() if value is not None]
    digest, open_reviews = detector.rows.digest(), len(detector.state.reviews)
    del detector, events
    gc.collect()
    restored = Detector(3, "digest")
    started = time.perf_counter()
    restored.rows.restore(rows)
    restore_seconds = time.perf_counter() - started
    assert restored.rows.digest() == digest
    return {
        "reviews": open_reviews,
        "flips": flips,
        "us_an_event": spent / count * 1e6,
        "bytes_a_review": used / reviews,
        "rows": len(rows),
        "row_bytes_a_review": sum(len(key) + len(value) for key, value in rows) / open_reviews,
        "restore_seconds": restore_seconds,
    }


def main() -> None:
    """Measure all sizes, each in a process of its own."""
    print(f"{'open reviews':>12} {'us/event':>9} {'bytes/review':>13} {'row bytes':>10} {'rows':>10} {'restore s':>10}")  # noqa: T201
    sizes, costs = list[float](), list[float]()
    for size in SIZES:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.growth", str(size)], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        sizes.append(found["reviews"])
        costs.append(found["us_an_event"])
        print(  # noqa: T201
            f"{found['reviews']:>12,} {found['us_an_event']:>9.1f} {found['bytes_a_review']:>13,.0f} "
            f"{found['row_bytes_a_review']:>10,.0f} {found['rows']:>10,} {found['restore_seconds']:>10.1f}"
            f"   {costs[-1] / costs[0]:.2f}x the smallest"
        )
    draw_curves(sizes, {"cost": costs}, ("open critical reviews", "microseconds an event"), "growth.png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))  # noqa: T201
    else:
        main()
