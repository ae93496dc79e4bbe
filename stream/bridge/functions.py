"""A platform's own Python function from a record to events, for what no table of the mapping can say.

Invariant: whatever the function does, the outcome is a list of events' fields, or a Refused.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from stream.bridge.source_records import Source
from stream.bridge.tables import Fields
from stream.config import SettingsError
from stream.intake.refusal import Refusal, Refused

#: The most events of one record.
MAX_EVENTS: Final = 1000


class FunctionRecord(NamedTuple):
    """What the function gets.

    Attributes:
        topic, partition, offset: Where the record was read.
        timestamp: Of the record, in milliseconds since 1970.
        key: The bytes of the key.
        value: The decoded value: JSON, or the fields of an Avro record; None if there is none.
        headers: Names and contents.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: Any
    headers: tuple[tuple[str, bytes | None], ...]


Function = Callable[[FunctionRecord], Iterable[Mapping[str, Any]]]


def load_function(name: str, folder: Path) -> Function:
    """Return a function.

    Args:
        name: `module:function`.
        folder: Where the module is looked for first.

    Raises:
        SettingsError: There is none.
    """
    module_name, _, function_name = name.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found: Any = getattr(importlib.import_module(module_name), function_name, None)
    except Exception as error:  # whatever the platform's module does when it is imported
        raise SettingsError(f"function {name} cannot be imported: {type(error).__name__}: {error}") from None
    if not callable(found) or inspect.iscoroutinefunction(found):
        raise SettingsError(f"function {name} is no plain function of its module")
    return found  # type: ignore[no-any-return]


def apply(function: Function, source: Source, value: Any) -> list[Fields]:
    """Return the fields of the events that a function makes of a record; raise Refused."""
    record = FunctionRecord(
        source.topic, source.partition, source.offset, source.timestamp, source.key, value, tuple(source.headers)
    )
    found: list[Fields] = []
    try:
        given = function(record) or ()
        if isinstance(given, Mapping):
            text = "The function returns one dictionary: give dictionaries with yield, or return a list of them."
            raise Refused(Refusal.MAPPING_FAILED, text)
        for fields in given:
            if not isinstance(fields, Mapping):
                raise Refused(Refusal.MAPPING_FAILED, "The function gives something that is no dictionary of fields.")
            found.append(dict(fields))
            if len(found) > MAX_EVENTS:
                break
    except Refused:
        raise
    except Exception as error:  # whatever the platform's function does: the record is a dead letter
        where = type(error).__name__
        raise Refused(Refusal.MAPPING_FAILED, f"The function raised {where}: {_line(error)}.") from None
    if len(found) > MAX_EVENTS:
        raise Refused(Refusal.MAPPING_FAILED, f"The function makes more than {MAX_EVENTS} events of one record.")
    return found


def _line(error: Exception) -> str:
    """Return where the function failed. Its message may hold an id, and is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "at an unknown line"
    return f"line {trace.tb_lineno} of {Path(trace.tb_frame.f_code.co_filename).name}"
