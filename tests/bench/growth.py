"""What a task costs as it grows: microseconds an event, bytes an open review, seconds of a restore.

`python -m tests.bench.growth` prints a table for 10^4, 10^5 and 10^6 open critical reviews, each in a process of its
own; it needs no Kafka. The events after the reviews have come are a market's: births, contacts, look-ups and flips in
the same proportions at every size, as many sellers to a review, so that only the size differs.
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

from stream.core.bands import DAY
from stream.core.detector import Detector
from stream.events import ContactAccessed, Event, OutreachSent, ReviewCreated, ReviewEdited
from stream.ops.memory import collect_less_often
from tests.bench.pictures import draw_curves

SIZES: Final = (10_000, 100_000, 1_000_000)
#: Critical reviews come evenly in so many days, and stay.
_DAYS: Final = 90
_BEGAN: Final = 1_700_000_000.0
#: Events of the measured part, so few that the size stays what it is.
_MEASURED_SHARE: Final = 0.2


def _birth(number: int, reviews: int) -> tuple[float, ReviewCreated]:
    at = _BEGAN + number * _DAYS * DAY / reviews
    sellers = max(reviews // 250, 1)
    return at, ReviewCreated(
        event_id=f"b{number}", occurred_at=dt.datetime.fromtimestamp(at, dt.UTC), seller_id=f"s{number % sellers}",
        review_id=f"r{number}", product_id=f"p{number % (4 * sellers)}", reviewer_id=f"u{number}",
        rating=1 + number % 3,
    )  # fmt: skip


def _market(reviews: int, chance: random.Random) -> Iterator[tuple[float, Event]]:
    """Of a hundred events 84 births, 10 contacts, 5 look-ups and a flip, of reviews of all ages."""
    for number in range(int(_MEASURED_SHARE * reviews)):
        at, birth = _birth(reviews + number, reviews)
        kind = number % 100
        of = _birth(chance.randrange(reviews), reviews)[1]
        about: dict[str, Any] = {"event_id": f"e{number}", "occurred_at": birth.occurred_at, "seller_id": of.seller_id}
        if kind < 84:
            yield at, birth
        elif kind < 94:
            yield at, OutreachSent(**about, reviewer_id=of.reviewer_id, review_id=of.review_id, channel="message")
        elif kind < 99:
            who = f"staff-{chance.randrange(50)}"
            yield at, ContactAccessed(**about, actor_id=who, review_id=of.review_id, reviewer_id=of.reviewer_id)
        else:
            yield (
                at,
                ReviewEdited(
                    **about, review_id=of.review_id, product_id=of.product_id, reviewer_id=of.reviewer_id, rating=5
                ),
            )


def _memory_bytes() -> float:
    samples = next(metric for metric in ProcessCollector(registry=None).collect() if "resident" in metric.name)
    return float(samples.samples[0].value)


def measure(reviews: int) -> dict[str, float]:
    """One size."""
    collect_less_often()
    empty = _memory_bytes()
    detector = Detector(3, "digest")
    for number in range(reviews):
        at, birth = _birth(number, reviews)
        detector.apply(birth, at)
    detector.changed()
    detector.outbox.clear()
    held = _memory_bytes() - empty
    events = list(_market(reviews, random.Random(1)))
    count = len(events)
    begun = time.perf_counter()
    for at, event in events:
        detector.apply(event, at)
    spent = time.perf_counter() - begun
    flips = detector.counts["upgraded"]
    detector._changed = {kind: {*names} for kind, names in detector._names()}  # all rows, as a changelog holds them
    rows = [(key, value) for key, value in detector.changed() if value is not None]
    digest, open_reviews = detector.digest(), len(detector.reviews)
    del detector, events
    gc.collect()
    again = Detector(3, "digest")
    begun = time.perf_counter()
    again.restore(rows)
    restored = time.perf_counter() - begun
    assert again.digest() == digest
    return {
        "reviews": open_reviews,
        "flips": flips,
        "us_an_event": spent / count * 1e6,
        "bytes_a_review": held / reviews,
        "rows": len(rows),
        "row_bytes_a_review": sum(len(key) + len(value) for key, value in rows) / open_reviews,
        "restore_seconds": restored,
    }


def main() -> None:
    """All sizes, a process each."""
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
