"""The rows of one task as this version writes them, kept in a file: what a later one has to read, or to refuse.

Rule of this room: `python -m tests.saved_state` writes the file, and is run only when rows get another version (then
another name, too) or, before the first release, another meaning.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.core import codec
from stream.core.detector import Detector
from stream.core.reports import Forget
from stream.events import AnyEvent
from stream.exchange import Tasks
from stream.market import simulate

FILE: Final = Path(__file__).parent / "data" / "state-v1.jsonl.gz"
#: Every kind that a row's key can begin with.
KINDS: Final = frozenset(
    (
        *(codec.META, codec.NORM, codec.PATTERNS, codec.PROGRESS, codec.ACCUSATIONS),
        *(codec.REVIEW, codec.SELLER, codec.FLIP, codec.PRODUCT, codec.SEEN, codec.EARLY),
        *(codec.STAFF, codec.PENDING, codec.DOSSIER),
    )
)


class Saved(NamedTuple):
    """The digest noted with the rows, and the rows."""

    digest: str
    rows: list[tuple[bytes, bytes]]


class _Head(msgspec.Struct):
    digest: str


def empty() -> Detector:
    """A task that can take the rows on: the first of two."""
    return Detector(1000.0, "digest", 0, 2)


def read() -> Saved:
    """What the file holds."""
    with gzip.open(FILE) as lines:
        head = msgspec.json.decode(next(lines), type=_Head)
        return Saved(head.digest, [msgspec.json.decode(line, type=tuple[bytes, bytes]) for line in lines])


def written() -> Saved:
    """The first of a market's two tasks, as soon as it has a row of every kind; a reviewer is forgotten."""
    events, _ = simulate.market("access", 3, 16, 90)
    tasks = Tasks(1000.0, "digest", 2)
    task, rows = tasks.tasks[0], dict[bytes, bytes]()
    for number, event in enumerate(events):
        typed: AnyEvent = msgspec.convert(event, AnyEvent)
        tasks.apply(typed, typed.occurred_at.timestamp())
        if number == len(events) // 2:
            task.hear(Forget(reviewer_id=min(review.reviewer_id for review in task.reviews.values())))
        for key, value in task.changed():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        if number > len(events) // 2 and {key[:2] for key in rows} == KINDS and task.accusations.coming:
            return Saved(task.digest(), sorted(rows.items()))
    raise AssertionError(f"no row of {KINDS - {key[:2] for key in rows}}")


def main() -> None:
    """Write the file."""
    saved = written()
    lines = [_Head(saved.digest), *saved.rows]
    FILE.write_bytes(gzip.compress(b"".join(msgspec.json.encode(line) + b"\n" for line in lines), mtime=0))


if __name__ == "__main__":
    main()
