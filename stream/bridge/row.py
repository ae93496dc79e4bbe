"""A row of a database table, with what is known of the types of its columns.

Invariant: pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from stream.intake.column_types import Types

_decode: Final = msgspec.json.Decoder().decode


class Row(NamedTuple):
    """The columns of a row by name, and the types that are known."""

    values: Mapping[str, Any]
    types: Types

    def get(self, column: str) -> Any:
        """Return a column's value; None if it is null or absent.

        A name with dots leads into objects, and into texts that hold an object, as columns of the type jsonb are sent.
        """
        found = self.values.get(column)
        if found is not None or "." not in column:
            return found
        found = self.values
        for part in column.split("."):
            if isinstance(found, str):
                found = _object(found)
            if not isinstance(found, Mapping):
                return None
            found = found.get(part)
        return found


def _object(text: str) -> Any:
    """Return the object that a text holds; None if it holds none."""
    try:
        return _decode(text) if text.lstrip().startswith("{") else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
