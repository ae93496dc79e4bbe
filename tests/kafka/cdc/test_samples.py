"""The samples in tests/data/debezium are what this Debezium writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stream.config import KafkaSettings
from tests.kafka.cdc import samples
from tests.kafka.cdc.connect import KafkaConnect
from tests.kafka.cdc.postgres import Postgres

# Not in `make test`: the samples change with the version of Debezium alone. `make stack-test` runs it.
pytestmark = [pytest.mark.kafka, pytest.mark.stack, pytest.mark.xdist_group("cdc")]

#: Times of the clock, positions in the log, numbers of transactions.
_CHANGING = re.compile(r'"(ts_ms|ts_us|ts_ns|lsn|txId)":\d+|"sequence":"[^ ]*?\]"')


def _steady(file: Path) -> list[object]:
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for record in records:
        record["value"] = _CHANGING.sub(r'"\1"', record["value"] or "")
        record["headers"].pop("__debezium.context.runId", None)
    return records


def test_samples_are_what_debezium_writes(
    kafka: KafkaSettings, postgres: Postgres, connect: KafkaConnect, tmp_path: Path
) -> None:
    capture = samples.Capture(kafka, postgres, connect, tmp_path)
    name = capture.reviews(full=False, schemas=False)
    assert _steady(tmp_path / name) == _steady(samples.FOLDER / name)
    assert len(_steady(tmp_path / name)) == 19
