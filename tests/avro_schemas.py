"""Writes `schemas/avro/`: the events, alerts and cases as Avro schemas, generated from the types of the contract.

Invariant: `tests/contract/test_avro_schemas.py` compares the files with what the types give.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from stream.contract.alerts import Alert
from stream.contract.avro_schemas import schema_text
from stream.contract.cases import Case
from stream.contract.events import STREAMS, Event

FOLDER: Final = Path(__file__).parents[1] / "schemas" / "avro"
EVENTS: Final[tuple[type[Event], ...]] = tuple(kind for kinds in STREAMS.values() for kind in kinds)
KINDS: Final[tuple[type[msgspec.Struct], ...]] = (*EVENTS, Alert, Case)


def path_of(kind: type[msgspec.Struct]) -> Path:
    """Return the file of a type's schema."""
    return FOLDER / f"{kind.__struct_config__.tag or kind.__name__.lower()}.v1.avsc"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in KINDS:
        path_of(each).write_text(schema_text(each), encoding="utf-8")
