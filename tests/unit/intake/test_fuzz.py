"""For any input, intake returns an event of the contract or refuses it with a reason of the closed list."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from typing import Final

import msgspec
import pytest

from stream.config import Settings
from stream.contract.events import STREAMS, Event, OutreachSent, ReviewDeleted
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refusal, Refused
from tests.mutants import Mutant, mutants

_PARTITIONS: Final = 8
_FUTURE_SECONDS: Final = 3600
#: Within the months of the mutants' events, so that some events are in the future.
_NOW: Final = dt.datetime(2024, 4, 20, 12, tzinfo=dt.UTC).timestamp()
#: Reasons of Avro records and of the bridge's rows; these mutants are events in JSON.
_OF_OTHER_RECORDS: Final = {
    Refusal.UNKNOWN_SCHEMA,
    Refusal.INCOMPLETE_ROW,
    Refusal.TRUNCATED,
    Refusal.MAPPING_FAILED,
}


@pytest.mark.parametrize(
    ("seed", "count"), [(0, 5000), *(pytest.param(seed, 50_000, marks=pytest.mark.long) for seed in range(1, 5))]
)
@pytest.mark.parametrize("unknown_fields", ["count", "refuse"])
def test_each_mutant_is_an_event_of_the_contract_or_has_a_reason(unknown_fields: str, seed: int, count: int) -> None:
    given = {"future_seconds": _FUTURE_SECONDS, "unknown_fields": unknown_fields}
    intake = Intake(Settings.model_validate(given), _PARTITIONS)
    outcomes = Counter(_outcome(intake, mutant) for mutant in mutants(seed, count))
    assert outcomes.total() == count
    # Each reason of JSON occurs often, and so do accepted events.
    assert outcomes.keys() == {*Refusal, "event"} - _OF_OTHER_RECORDS
    assert min(outcomes.values()) > count / 1000, outcomes
    assert outcomes["event"] > count / 20, outcomes
    assert (intake.unknown_fields > 0) == (unknown_fields == "count")


def _outcome(intake: Intake, mutant: Mutant) -> str:
    stream, key, value, wrong_partition = mutant
    partition = partition_of(key or b"", _PARTITIONS) if wrong_partition is None else wrong_partition
    try:
        at, event = intake.decode(stream, partition, key, value, _NOW)
        assert key is not None
        assert partition == partition_of(key, _PARTITIONS)
        _check_contract(stream, key, at, event)
    except Refused as refused:
        assert type(refused.reason) is Refusal
        assert 0 < len(refused.detail) <= 400
        return refused.reason
    except BaseException as error:
        error.add_note(f"the record was {mutant!r}")
        raise
    return "event"


def _check_contract(stream: int, key: bytes, at: float, event: Event) -> None:
    """Check the contract independently of its types."""
    assert type(event) in tuple(STREAMS.values())[stream]
    assert event.key.encode() == key
    fields = msgspec.structs.asdict(event)
    for name, value in fields.items():
        if name.endswith("_id") and value is not None:
            assert type(value) is str
            assert 1 <= len(value) <= (64 if name == "event_id" else 128)
            assert not any(character.isspace() or ord(character) < 32 for character in value)
            assert "jane.doe@example.com" not in value
        elif name in {"rating", "previous_rating"}:
            assert (value is None and (name != "rating" or isinstance(event, ReviewDeleted))) or type(value) is int
            assert value in {None, 1, 2, 3, 4, 5}
    required = {field.name for field in msgspec.structs.fields(type(event)) if field.required}
    assert {"event_id", "seller_id"} <= required
    assert all(fields[name] is not None for name in required)
    assert event.occurred_at.utcoffset() is not None
    assert type(at) is float
    assert at == event.occurred_at.timestamp()
    assert -86_400 < at <= _NOW + _FUTURE_SECONDS
    if isinstance(event, OutreachSent) and event.incentive_value is not None:
        assert math.isfinite(event.incentive_value)
        assert 0 <= event.incentive_value <= 1e9
    # An accepted event can be encoded, and decoding gives the same event.
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
