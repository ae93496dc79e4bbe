"""Writes the cases and alerts of a market with an insider's ring, for tests of what shows them.

Invariant: they are what the core made of the market, and of one verdict. `python -m tests.example_rings` writes them
in a minute: run it when the contract of cases or of rings changes.
"""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import AnyEvent
from stream.market import simulate
from stream.offline.local_bus import LocalTasks
from tests.analysts import verdict

_FOLDER: Final = Path(__file__).parent / "data" / "rings"
CASES: Final = _FOLDER / "cases.jsonl.gz"
ALERTS: Final = _FOLDER / "alerts.jsonl.gz"
#: When the ring is dismissed, before the market ends: a verdict on a ring counts from the end of its day on.
_BEFORE_END: Final = dt.timedelta(days=5)


def examples() -> tuple[list[Case], list[Alert]]:
    """Return the open cases of a market with the latest alert of each, and the ring's case after its dismissal."""
    events = [msgspec.convert(event, AnyEvent) for event in simulate.market("brokers", 11, 150, 240)[0]]
    dismissed_at = events[-1].occurred_at - _BEFORE_END
    tasks = LocalTasks(3.0, "0123456789abcdef", 1)
    book = tasks.tasks[0].state.cases
    alerts: dict[tuple[str, str], Alert] = {}
    found: list[Case] = []
    for event in events:
        if not found and event.occurred_at >= dismissed_at:
            found = list(book.cases.values())
            tasks.apply(verdict(_ring(found), dismissed_at, "dismissed", second="ben"), dismissed_at.timestamp())
        new = tasks.apply(event, event.occurred_at.timestamp())
        if not found:
            alerts |= {(alert.subject.type, alert.subject.id): alert for alert in new}
    fallen = book.cases[_ring(found).case_id]
    assert fallen.ring is not None
    assert fallen.ring.fell_apart_at is not None
    return [*found, fallen], sorted(alerts.values(), key=lambda alert: alert.raised_at)


def _ring(cases: Sequence[Case]) -> Case:
    return max((case for case in cases if case.ring is not None), key=lambda case: case.evidence.odds)


def main() -> None:
    """Write the files."""
    cases, alerts = examples()
    _FOLDER.mkdir(exist_ok=True)
    for path, lines in ((CASES, cases), (ALERTS, alerts)):
        path.write_bytes(gzip.compress(b"".join(msgspec.json.encode(line) + b"\n" for line in lines), mtime=0))


if __name__ == "__main__":
    main()
