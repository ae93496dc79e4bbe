"""From a change of a row to events: tables of reviews, of links, and tables to which rows are appended.

Invariant: pure. A review that the platform's software deletes, or nobody knows who, is never a deletion by its author.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, Protocol

from stream.bridge.changes import Change, Ignored
from stream.bridge.fields import FieldReader
from stream.bridge.mapping_file import Table
from stream.bridge.row import Row
from stream.intake.refusal import Refusal, Refused
from stream.offline.history.columns import EVENTS

#: The fields of an event, `type` included and `event_id` not.
Fields = dict[str, Any]

_FULL: Final = "run ALTER TABLE ... REPLICA IDENTITY FULL, so that the old row is in the database's log"
_LINK: Final = ("seller_id", "link_id", "relation")
_IDENTITY: Final = ("seller_id", "product_id", "review_id", "reviewer_id")


class RowMapping(Protocol):
    """From a change to events."""

    def events(self, change: Change) -> list[Fields]:
        """Return the events of a change; raise Refused or Ignored."""
        ...


class AppendedRows:
    """Each new row is an event; changes and deletions of rows are none.

    Args:
        table: Of the mapping.
    """

    def __init__(self, table: Table) -> None:
        self._event = EVENTS[table.events or ""]
        self._fields = FieldReader(table)

    def events(self, change: Change) -> list[Fields]:
        """Return the event of a change; raise Refused or Ignored."""
        if change.operation not in {"insert", "snapshot"}:
            raise Ignored("no_new_row")
        row = change.after
        assert row is not None, "changes checks that"
        return [self.event(change, row)]

    def event(self, change: Change, row: Row) -> Fields:
        """Return the event of a row; raise Refused or Ignored."""
        self._fields.check_columns(row)
        if not self._fields.is_wanted(row):
            raise Ignored("not_wanted")
        found: Fields = {"type": self._event.name}
        for name in self._event.columns:
            value = self._fields.read(row, name)
            if value is not None:
                found[name] = value
        if "occurred_at" not in found and change.operation != "snapshot" and change.at is not None:
            found["occurred_at"] = change.at
        for name in self._event.required:
            if name not in found:
                self._fields.required(row, name)
        return found


class LinkRows:
    """A row says what a seller has in common with others: each new value is an event. That it ends is none.

    Args:
        table: Of the mapping.
    """

    def __init__(self, table: Table) -> None:
        self._rows = AppendedRows(table)
        self._fields = FieldReader(table)

    def events(self, change: Change) -> list[Fields]:
        """Return the event of a change; raise Refused or Ignored."""
        row = change.after
        if row is None:
            raise Ignored("no_new_row")
        if "link_id" in self._fields.columns and self._fields.read(row, "link_id") is None:
            raise Ignored("no_link")
        event = self._rows.event(change, row)
        if change.operation == "update":
            before = change.before
            if before is not None and all(self._fields.read(before, name) == event.get(name) for name in _LINK):
                raise Ignored("unchanged")
            # The row's time is that of its first value, unless the change has set it, too.
            is_set = before is not None and self._fields.read(before, "occurred_at") != event.get("occurred_at")
            if change.at is not None and not is_set:
                event["occurred_at"] = change.at
        return [event]


class ReviewRows:
    """A row is a review: its insertion, its new stars and its deletion are events.

    Args:
        table: Of the mapping.
        unknown_deleter: Called for a deletion by somebody whom no column names.
    """

    def __init__(self, table: Table, unknown_deleter: Callable[[], None]) -> None:
        self._fields = FieldReader(table)
        self._unknown_deleter = unknown_deleter

    def events(self, change: Change) -> list[Fields]:
        """Return the events of a change; raise Refused or Ignored."""
        row = change.after or change.before
        if row is None:
            raise Refused(Refusal.INCOMPLETE_ROW, f"The deletion has no old row: {_FULL}.")
        if change.after is not None:
            self._fields.check_columns(row)
        if not self._fields.is_wanted(row):
            raise Ignored("not_wanted")
        if change.operation == "delete":
            return self._row_deleted(change, row)
        if change.operation == "update":
            return self._row_updated(change, row)
        is_deleted = self._fields.is_deleted(row)
        if is_deleted and change.operation == "snapshot":
            # Its deletion would come before creations that were earlier. What happened before a snapshot is history.
            raise Ignored("deleted_before")
        created = self._created(row, self._fields.required(row, "created_at"))
        return [created, self._deleted(row, change.at)] if is_deleted else [created]

    def _row_deleted(self, change: Change, row: Row) -> list[Fields]:
        if not self._fields.is_whole(row):
            seller = self._fields.columns.get("seller_id", "seller_id")
            raise Refused(
                Refusal.INCOMPLETE_ROW,
                f"The deletion has the key alone, and no {seller}: {_FULL}, or mark reviews as deleted and keep rows.",
            )
        if self._fields.is_deleted(row):
            raise Ignored("deleted_before")
        if change.at is None:
            raise Refused(Refusal.MISSING_FIELD, "The deletion has no time: `source.ts_us` is missing.")
        return [self._deleted(row, change.at, change.at)]

    def _row_updated(self, change: Change, row: Row) -> list[Fields]:
        # With the usual REPLICA IDENTITY nothing is known of the old row.
        before = change.before if change.before is not None and self._fields.is_whole(change.before) else None
        at = self._changed_at(change, row, before)
        if before is None:
            return self._updated_from_unknown(change, row, at)
        was_deleted, is_deleted = self._fields.is_deleted(before), self._fields.is_deleted(row)
        if is_deleted:
            if was_deleted:
                raise Ignored("unchanged")
            return [self._deleted(row, at)]
        if was_deleted:  # it is shown again
            return [self._created(row, at)]
        if self._moved(before, row):
            return [self._deleted(before, at, at) | {"deleted_by": "platform"}, self._created(row, at)]
        stars, previous = self._fields.required(row, "rating"), self._fields.read(before, "rating")
        if stars == previous:
            raise Ignored("unchanged")
        return [self._edited(row, at, stars, previous)]

    def _updated_from_unknown(self, change: Change, row: Row, at: dt.datetime) -> list[Fields]:
        """Without the old row nothing is known of what changed. The worker knows the old stars of reviews at risk."""
        if self._fields.is_deleted(row):
            return [self._deleted(row, at)]
        column = self._fields.columns.get("review_id", "")
        if change.old_key is not None and str(change.old_key.get(column, row.get(column))) != str(row.get(column)):
            return [self._created(row, self._fields.required(row, "created_at"))]
        return [self._edited(row, at, self._fields.required(row, "rating"), None)]

    def _changed_at(self, change: Change, row: Row, before: Row | None) -> dt.datetime:
        """Return the time of the column `changed_at`, or of the commit if the change did not set the column."""
        found: dt.datetime | None = self._fields.read(row, "changed_at")
        is_set = before is None or self._fields.read(before, "changed_at") != found
        if found is None or (not is_set and change.at is not None):
            found = change.at
        if found is None:
            raise Refused(
                Refusal.MISSING_FIELD, "The change has no time: write changed_at under columns, or send `source.ts_us`."
            )
        return found

    def _moved(self, before: Row, row: Row) -> bool:
        """Return whether the review now belongs to another seller."""
        return bool(self._fields.read(before, "seller_id") != self._fields.required(row, "seller_id"))

    def _common(self, kind: str, row: Row, at: dt.datetime) -> Fields:
        found: Fields = {"type": kind, "occurred_at": at}
        for name in _IDENTITY:
            found[name] = self._fields.required(row, name)
        marketplace = self._fields.read(row, "marketplace")
        return found if marketplace is None else found | {"marketplace": marketplace}

    def _created(self, row: Row, at: dt.datetime) -> Fields:
        found = self._common("review.created", row, at)
        found["rating"] = self._fields.required(row, "rating")
        verified = self._fields.read(row, "verified_purchase")
        return found if verified is None else found | {"verified_purchase": verified}

    def _edited(self, row: Row, at: dt.datetime, stars: Any, previous: Any) -> Fields:
        found = self._common("review.edited", row, at) | {"rating": stars}
        return found if previous is None else found | {"previous_rating": previous}

    def _deleted(self, row: Row, otherwise: dt.datetime | None, at: dt.datetime | None = None) -> Fields:
        """Return the deletion of a row's review, at the time of its column `deleted_at` unless another one is given."""
        at = at or self._fields.read(row, "deleted_at") or otherwise
        if at is None:
            raise Refused(Refusal.MISSING_FIELD, "The deletion has no time: write deleted_at under columns.")
        found = self._common("review.deleted", row, at)
        deleter = self._fields.read(row, "deleted_by")
        if deleter is None:
            self._unknown_deleter()
        # The contract knows authors and the platform; only a deletion by the author can be a flip.
        found["deleted_by"] = "platform" if deleter is None else deleter
        for name in ("rating", "actor_id"):
            value = self._fields.read(row, name)
            if value is not None and (name == "rating" or found["deleted_by"] == "platform"):
                found[name] = value
        return found
