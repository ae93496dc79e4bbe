"""Reads the fields of events from rows, as a table of the mapping says.

Invariant: pure. A field that is absent, null or unavailable has no value. A value that is there is one of the
contract's type, or the record is refused with the column's name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from stream.bridge.column_values import UNAVAILABLE, ColumnReader
from stream.bridge.mapping_file import Table, Value
from stream.bridge.row import Row
from stream.intake.refusal import Refusal, Refused
from stream.offline.history.columns import COLUMNS, Takes

#: The fields of a table of reviews that no event has.
_OWN: Final = {"created_at": Takes.TIME, "changed_at": Takes.TIME, "deleted_at": Takes.TIME}
#: The most columns that a refusal lists.
_MAX_NAMED: Final = 20
#: The fields that every review has.
_WHOLE: Final = ("seller_id", "product_id", "reviewer_id", "rating", "created_at")
#: Debezium's text in the forms of texts and bytes.
_UNAVAILABLE: Final = frozenset({UNAVAILABLE, base64.b64encode(UNAVAILABLE.encode()).decode()})
#: What it writes for a column whose value it does not know; besides null, an empty text, and zero.
_UNKNOWN: Final = _UNAVAILABLE | {"0", "1970-01-01T00:00:00Z"}


class _Field(NamedTuple):
    """Where a field comes from, and what it holds."""

    column: str
    is_path: bool
    takes: Takes
    values: Mapping[str, Value] | None


class FieldReader:
    """Reads fields from the rows of one table.

    Args:
        table: Of the mapping.
    """

    def __init__(self, table: Table) -> None:
        self._reader = ColumnReader(table.time_zone)
        self._constants = table.constants
        #: By field, its column.
        self.columns: Mapping[str, str] = {
            name: column
            for name in table.fields
            if name not in table.constants and (column := table.columns.get(name, name))
        }
        self._fields = {
            name: _Field(column, "." in column, _OWN.get(name) or COLUMNS[name], table.values.get(name))
            for name, column in self.columns.items()
        }
        self._whole = tuple(self.columns.get(name, name) for name in _WHOLE)
        #: The columns that the mapping names, and what for. A change of a row has all of its columns.
        self._named: tuple[tuple[str, str], ...] = ()
        if table.record == "change":
            named = {column: name for name, column in table.columns.items() if column}
            named |= dict.fromkeys(table.deleted_when, "deleted_when") | dict.fromkeys(table.only_when, "only_when")
            self._named = tuple((column.split(".")[0], what) for column, what in named.items())
        self._deleted_when, self._only_when = _conditions(table.deleted_when), _conditions(table.only_when)

    def check_columns(self, row: Row) -> None:
        """Raise Refused if a row lacks a column that the mapping names."""
        for column, what in self._named:
            if column not in row.values:
                its = ", ".join(sorted(map(str, row.values))[:_MAX_NAMED])
                raise Refused(
                    Refusal.MISSING_FIELD,
                    f"The row has no column {column}, which the mapping names for {what}; its columns are {its}.",
                )

    def read(self, row: Row, name: str) -> Any:
        """Return a field's value; None if the row has none.

        Raises:
            Refused: The column's value is not one of the contract.
        """
        field = self._fields.get(name)
        if field is None:
            return self._constants.get(name)
        column, is_path, takes, values = field
        value = row.get(column) if is_path else row.values.get(column)
        if value is None:
            return None
        if values is not None:
            value = values.get(_shown(value), value)
        if type(value) is str:
            value = value.rstrip(" ")  # a column of the type CHAR(n) is filled up with blanks
            if not value or value in _UNAVAILABLE:
                return None
            if takes is Takes.TEXT:  # as most fields are
                return value
        elif is_unavailable(value):
            return None
        return self._reader.read(takes, column, value, row.types.get(column))

    def required(self, row: Row, name: str) -> Any:
        """Return a field's value; raise Refused if the row has none."""
        value = self.read(row, name)
        if value is not None:
            return value
        column = self.columns.get(name)
        if column is None:
            raise Refused(Refusal.MISSING_FIELD, f"The mapping has no column for {name}: write it under columns.")
        if is_unavailable(row.get(column)):
            raise Refused(
                Refusal.INCOMPLETE_ROW,
                f"Column {column} ({name}) did not change and is too large to be in the database's log: run "
                "ALTER TABLE ... REPLICA IDENTITY FULL.",
            )
        is_there = column in row.values
        where = (
            "is null or empty"
            if is_there
            else f"is not in the row: if {name} has another column, write it under columns"
        )
        raise Refused(Refusal.MISSING_FIELD, f"Column {column} ({name}) {where}.")

    def is_whole(self, row: Row) -> bool:
        """Return whether the old row of a review has more than its key.

        With the usual REPLICA IDENTITY of PostgreSQL the other columns are null. Those that cannot be null have the
        default of their type: an empty text, zero, 1970.
        """
        for column in self._whole:
            value = row.get(column)
            if not value or (value in _UNKNOWN if isinstance(value, str) else is_unavailable(value)):
                return False
        return True

    def is_deleted(self, row: Row) -> bool:
        """Return whether the row of a review says that the review is deleted."""
        if self._deleted_when:
            return any(_shown(row.get(column)) in values for column, values in self._deleted_when)
        column = self.columns.get("deleted_at")
        return column is not None and row.get(column) is not None

    def is_wanted(self, row: Row) -> bool:
        """Return whether the mapping wants events of the row."""
        return all(_shown(row.get(column)) in values for column, values in self._only_when)


def is_unavailable(value: Any) -> bool:
    """Return whether Debezium had no value, because it is large and the update did not change it."""
    return value in _UNAVAILABLE if isinstance(value, str) else value == UNAVAILABLE.encode()


def _conditions(given: Mapping[str, list[Value]]) -> list[tuple[str, frozenset[str]]]:
    return [(column, frozenset(map(_shown, values))) for column, values in given.items()]


def _shown(value: Any) -> str:
    """Return a value as a key of a TOML table can have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
