"""The mapping: a TOML file that says which topics the bridge reads, and how their records become events.

Invariant: a mapping that is read can be used. Everything else is one line that names the file, the table and the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stream.config import SettingsError
from stream.contract.events import STREAMS
from stream.offline.history.columns import COLUMNS, EVENTS, Takes, nearest
from stream.ops.bridge_topics import read_toml

#: The value of `events` for a table whose rows are reviews.
REVIEWS: Final = "reviews"
#: The event type of tables whose rows say what sellers have in common.
LINKS: Final = "seller.linked"
#: The columns of a table of reviews, besides the fields of the events.
REVIEW_COLUMNS: Final = (
    "review_id", "seller_id", "product_id", "reviewer_id", "rating", "created_at", "changed_at", "deleted_at",
    "deleted_by", "actor_id", "verified_purchase", "marketplace",
)  # fmt: skip
#: Case events are written by the console and the commands alone.
APPENDED: Final = tuple(name for name, event in EVENTS.items() if event.stream < tuple(STREAMS).index("verdicts"))
_MAX_TABLES: Final = 100

Value = str | int | float | bool


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the records of one topic become events.

    Attributes:
        topic: The topic.
        events: `reviews` for a table whose rows are reviews, or the type of the event that each new row is.
        function: In place of `events`: `module:function`, from a record to its events.
        record: `change` for Debezium's changes; `row` if each value is a row itself.
        columns: By field, the column that holds it, where it has another name; "" if none does.
        constants: By field, a value that all events get.
        values: By field, from the column's values to those of the contract.
        deleted_when: By column, the values that mean that a review is deleted.
        only_when: By column, the values that a row must have; all other rows are ignored.
        time_zone: The zone of times without an offset.
    """

    topic: str
    events: str | None = None
    function: str | None = None
    record: Literal["change", "row"] = "change"
    columns: dict[str, str] = {}
    constants: dict[str, Value] = {}
    values: dict[str, dict[str, Value]] = {}
    deleted_when: dict[str, list[Value]] = {}
    only_when: dict[str, list[Value]] = {}
    time_zone: str = "UTC"

    @property
    def fields(self) -> tuple[str, ...]:
        """The names that `columns`, `constants` and `values` may have."""
        return REVIEW_COLUMNS if self.events == REVIEWS else tuple(EVENTS[self.events or ""].columns)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    table: list[Table]


def read_mapping(path: Path) -> tuple[Table, ...]:
    """Return the tables of a mapping.

    Raises:
        SettingsError: It cannot be used.
    """
    document = read_toml(path)
    try:
        tables = msgspec.convert(document, _File).table
    except msgspec.ValidationError as error:
        raise SettingsError(f"the mapping {path} cannot be used: {error}: see docs/bridge.md") from None
    if not 0 < len(tables) <= _MAX_TABLES:
        raise SettingsError(f"the mapping {path} has {len(tables)} tables: write 1 to {_MAX_TABLES} [[table]]")
    for table in tables:
        problem = _problem(table) or _twice(table, tables)
        if problem is not None:
            raise SettingsError(f"the mapping {path} cannot be used: table of topic {table.topic}: {problem}")
    return tuple(tables)


def _twice(table: Table, tables: list[Table]) -> str | None:
    same = sum(each.topic == table.topic for each in tables)
    return f"the topic is there {same} times: write one [[table]] for each topic" if same > 1 else None


def _problem(table: Table) -> str | None:
    """Return what is wrong with a table; None if nothing is."""
    if (table.events is None) == (table.function is None):
        return "write either events or function"
    if table.function is not None:
        return _function_problem(table)
    known = (REVIEWS, *APPENDED)
    if table.events not in known:
        return f"events = {table.events!r} is not one of {', '.join(known)}"
    if table.deleted_when and table.events != REVIEWS:
        return f"deleted_when goes with events = {REVIEWS!r}"
    if table.record == "row" and table.events == REVIEWS:
        return f"events = {REVIEWS!r} needs changes: with record = 'row' write the type of event that each record is"
    return _zone_problem(table) or _fields_problem(table)


def _zone_problem(table: Table) -> str | None:
    try:
        ZoneInfo(table.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"time_zone = {table.time_zone!r} is no zone such as Europe/Berlin"
    return None


def _fields_problem(table: Table) -> str | None:
    """Return which name is no field; None if all are."""
    for key, given in (("columns", table.columns), ("constants", table.constants), ("values", table.values)):
        for name in given:
            if name not in table.fields:
                meant = nearest(name, table.fields)
                hint = f"is {meant} meant?" if meant else f"its fields are {', '.join(table.fields)}"
                return f"{key}.{name} is no field of {table.events}: {hint}"
    for name, given in table.values.items():
        wrong = [each for each in given.items() if isinstance(each[1], str) and COLUMNS.get(name) is Takes.NUMBER]
        if wrong:
            column, value = wrong[0]
            return (
                f"values.{name} gives {value!r} for {column!r}, and {name} is a number: write column's value = number"
            )
    both = table.columns.keys() & table.constants.keys()
    return f"{min(both)} is in columns and in constants" if both else None


def _function_problem(table: Table) -> str | None:
    module, _, name = (table.function or "").partition(":")
    if not module or not name.isidentifier():
        return f"function = {table.function!r} is not module:function"
    plain: dict[str, Any] = msgspec.structs.asdict(Table(table.topic))
    given = msgspec.structs.asdict(table)
    others = [key for key in plain if key not in {"topic", "function", "record"} and given[key] != plain[key]]
    return f"{others[0]} goes with events, not with function" if others else None
