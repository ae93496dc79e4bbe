"""A file of one task's state rows, written by the present version; a later version must read or refuse it.

Invariant: `python -m tests.saved_state` writes the file. Run it only when the rows get another version (then the file
gets another name) or, before the first release, another meaning.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.contract.events import AnyEvent
from stream.core.detector import Detector
from stream.core.messages.wire import Forget
from stream.core.state import codec
from stream.market import simulate
from stream.offline.local_bus import LocalTasks
from tests.analysts import verdict

FILE: Final = Path(__file__).parent / "data" / "state-v1.jsonl.gz"
#: The key prefixes of all kinds of rows.
KINDS: Final = frozenset(
    (
        *(codec.META, codec.BASELINE, codec.PATTERNS, codec.PROGRESS, codec.ACCUSED),
        *(codec.REVIEW, codec.SELLER, codec.FLIP, codec.PRODUCT, codec.EVENT_IDS, codec.PENDING_CHANGE),
        *(codec.CLOSED_REVIEW, codec.STAFF_EXPOSURE, codec.UNCONCLUDED, codec.STAFF_HISTORY),
        *(codec.CASE, codec.QUEUE_MODEL, codec.CLIENT_EXPOSURE, codec.CONNECTOR),
        *(codec.TASK_REVIEWER, codec.REVIEWER_HISTORY),
    )
)


class Saved(NamedTuple):
    """The digest in the file's first line, and the rows."""

    digest: str
    rows: list[tuple[bytes, bytes]]


class _Head(msgspec.Struct):
    digest: str


def empty() -> Detector:
    """Return the detector of a task that can restore the rows: the first of two tasks."""
    return Detector(1000.0, "digest", 0, 2, watches_reviewers=True)


def read() -> Saved:
    """Read the file."""
    with gzip.open(FILE) as lines:
        head = msgspec.json.decode(next(lines), type=_Head)
        return Saved(head.digest, [msgspec.json.decode(line, type=tuple[bytes, bytes]) for line in lines])


def written() -> Saved:
    """Return the first of a market's two tasks when it has a row of every kind; one reviewer is forgotten before."""
    events, _ = simulate.market("access", 10, 24, 150)
    tasks = LocalTasks(1000.0, "digest", 2, watches_reviewers=True)
    task, rows = tasks.tasks[0], dict[bytes, bytes]()
    for number, event in enumerate(events):
        typed: AnyEvent = msgspec.convert(event, AnyEvent)
        tasks.apply(typed, typed.occurred_at.timestamp())
        if number == len(events) // 2:
            task.on_message(Forget(reviewer_id=min(review.reviewer_id for review in task.state.reviews.values())))
        cases = task.state.cases.cases.values()
        for case in [case for case in cases if not case.verdicts]:
            tasks.apply(verdict(case, typed.occurred_at, "confirmed", second="ben"), typed.occurred_at.timestamp())
        for key, value in task.rows.changed():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        if number > len(events) // 2 and {key[:2] for key in rows} == KINDS and task.state.conclusions.pending:
            return Saved(task.rows.digest(), sorted(rows.items()))
    raise AssertionError(f"no row with the prefixes {KINDS - {key[:2] for key in rows}}")


def main() -> None:
    """Write the file."""
    saved = written()
    lines = [_Head(saved.digest), *saved.rows]
    FILE.write_bytes(gzip.compress(b"".join(msgspec.json.encode(line) + b"\n" for line in lines), mtime=0))


if __name__ == "__main__":
    main()
