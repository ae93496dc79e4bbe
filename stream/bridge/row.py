"""A row of a database table, with what is known of the types of its columns.

Invariant: pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from stream.intake.column_types import Types


class Row(NamedTuple):
    """The columns of a row by name, and the types that are known."""

    values: Mapping[str, Any]
    types: Types

    def get(self, column: str) -> Any:
        """Return a column's value; None if it is null or absent. A name with dots leads into objects."""
        found = self.values.get(column)
        if found is not None or "." not in column:
            return found
        found = self.values
        for part in column.split("."):
            if not isinstance(found, Mapping):
                return None
            found = found.get(part)
        return found
