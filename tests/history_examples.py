"""Writes the tables of docs/examples, from simulated markets: `python -m tests.history_examples`.

Invariant: seeded; the same simulator gives the same tables. They look like a platform's own tables, not like events.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from stream.market import simulate

FOLDER: Final = Path(__file__).parents[1] / "docs" / "examples"
_REVIEW_COLUMNS: Final = (
    *("review_id", "seller_id", "product_id", "customer_id", "first_stars", "posted_at", "stars", "edited_at"),
    *("deleted_at", "deleted_by"),
)
_MESSAGE_COLUMNS: Final = ("seller_id", "customer_id", "review_id", "kind", "sent_at")
#: Who deleted a review, in the words of the tables.
_DELETED_BY: Final = {"author": "customer", "platform": "moderator"}

Event = dict[str, Any]


def events(scenario: str, sellers: int, days: int) -> list[Event]:
    """Return the events of a market in the order of time, each once."""
    made = simulate.simulate(scenario, 3, sellers, days, 0)
    found: dict[str, Event] = {}
    for line in made.lines:
        event = json.loads(line)
        found.setdefault(event["event_id"], event)
    return sorted(found.values(), key=lambda event: str(event["occurred_at"]))


class _Numbers:
    """Numbers in place of the simulator's ids, as databases have them."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._numbers: dict[str, int] = {}

    def of(self, name: str) -> int:
        """Return the number of an id."""
        return self._numbers.setdefault(name, self._first + len(self._numbers))


class _Ids:
    """The numbers of all ids of a market."""

    def __init__(self) -> None:
        self._of = {
            "seller_id": _Numbers(100),
            "product_id": _Numbers(2000),
            "reviewer_id": _Numbers(70_001),
            "review_id": _Numbers(500_001),
        }

    def row(self, event: Event) -> dict[str, Any]:
        """Return the ids of an event with the names that the tables have."""
        row = {name: numbers.of(event[name]) for name, numbers in self._of.items() if name in event}
        return {{"reviewer_id": "customer_id"}.get(name, name): number for name, number in row.items()}


def reviews_tables() -> tuple[bytes, bytes]:
    """Return a table of reviews with their first and present stars, and a table of sellers' messages, as CSV."""
    ids = _Ids()
    reviews: dict[str, dict[str, Any]] = {}
    messages: list[dict[str, Any]] = []
    for event in events("bribes", 30, 200):
        kind, at = event["type"], _database_time(event["occurred_at"])
        if kind == "review.created":
            stars = event["rating"]
            reviews[event["review_id"]] = ids.row(event) | {"first_stars": stars, "posted_at": at, "stars": stars}
        elif kind == "outreach.sent":
            messages.append(ids.row(event) | {"kind": event["channel"], "sent_at": at})
        elif event.get("review_id") in reviews and kind in {"review.edited", "review.deleted"}:
            review = reviews[event["review_id"]]
            if kind == "review.edited":
                review |= {"stars": event["rating"], "edited_at": at}
            else:
                review |= {"deleted_at": at, "deleted_by": _DELETED_BY[event["deleted_by"]]}
    return _csv(_REVIEW_COLUMNS, reviews.values()), _csv(_MESSAGE_COLUMNS, messages)


def audit_log() -> bytes:
    """Return a log of changes of reviews and of look-ups of customers, as JSON lines."""
    return b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in _audit_entries())


def _audit_entries() -> Iterator[dict[str, Any]]:
    ids = _Ids()
    actions = {"review.created": "insert", "review.edited": "update", "review.deleted": "delete"}
    for event in events("cheats", 30, 200):
        kind = event["type"]
        old, new = event.get("previous_rating"), event.get("rating")
        if kind == "review.deleted":
            old, new = new, None
        by = event.get("actor_id") or ("system" if event.get("deleted_by") == "platform" else "customer")
        entry = {"action": actions.get(kind, "look_up"), "by": by, "at": f"{event['occurred_at'][:19]}Z"}
        if kind == "outreach.sent":
            entry |= {"action": "message", "by": "seller", "channel": event["channel"]}
        stars = {name: value for name, value in (("old_stars", old), ("new_stars", new)) if value is not None}
        yield entry | stars | {"review": ids.row(event)}


def _database_time(at: str) -> str:
    """Return a time as a database writes a TIMESTAMP."""
    return f"{at[:10]} {at[11:19]}"


def _csv(columns: tuple[str, ...], rows: Any) -> bytes:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def tables() -> dict[str, bytes]:
    """Return the content of each file by name, before it is compressed."""
    reviews, messages = reviews_tables()
    return {"reviews.csv.gz": reviews, "messages.csv.gz": messages, "audit.jsonl.gz": audit_log()}


def main() -> None:
    """Write all tables."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in tables().items():
        (FOLDER / name).write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main()
