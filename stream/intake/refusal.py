"""Why a record cannot be used.

Invariant: a reason is a metric label and a header of dead letters, so it is never renamed. A detail is one sentence
that names the field and repeats no id but a seller's, because an id may be personal data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

#: A detail may quote the producer's text, for example an unknown channel: this bounds what reaches the logs.
_DETAIL_CHARS: Final = 400


class Refusal(StrEnum):
    """The reasons for which a record becomes a dead letter."""

    UNDECODABLE = "undecodable"
    UNKNOWN_TYPE = "unknown_type"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    PERSONAL_DATA = "personal_data"
    WRONG_KEY = "wrong_key"
    WRONG_PARTITION_COUNT = "wrong_partition_count"
    FUTURE = "future"
    TOO_LARGE = "too_large"
    UNKNOWN_SCHEMA = "unknown_schema"
    INCOMPLETE_ROW = "incomplete_row"
    TRUNCATED = "truncated"
    MAPPING_FAILED = "mapping_failed"


class Refused(Exception):  # noqa: N818  # an outcome, not an error of the program
    """A record that cannot be used; the only exception that intake raises for a record."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        self.reason = reason
        self.detail = detail if len(detail) <= _DETAIL_CHARS else detail[: _DETAIL_CHARS - 1] + "…"
        super().__init__(reason, self.detail)

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
