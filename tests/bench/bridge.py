"""What the bridge costs: the mapping of one change in each shape, and a backlog beside the workers'.

`python -m tests.bench.bridge [RECORDS]` prints microseconds a change and, on a real Kafka, the records a second of one
bridge, and of one worker that then reads the events that the bridge has written.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from stream.bridge.mapping import Mapping
from stream.bridge.mapping_file import Table
from stream.bridge.source_records import Source
from stream.config import KafkaSettings
from stream.intake.schema_cache import SchemaCache
from stream.ops.broker import Broker
from tests.bench.rate import Rate
from tests.bench.workers import rate_of_workers
from tests.kafka.bridge import BridgeProcess, make_topics, send
from tests.kafka.group import Group

_ROUNDS: Final = 200
_CHANGES: Final = 200
_RECORDS: Final = 200_000
_COLUMNS: Final = {"review_id": "id", "reviewer_id": "author_id", "rating": "stars", "changed_at": "updated_at"}
_ROW: Final[dict[str, Any]] = {
    "id": 12345, "seller_id": "seller-0011", "product_id": "product-00123", "author_id": "reviewer-0099", "stars": 1,
    "body": "It broke after a week, and nobody answers.", "created_at": "2025-03-01T10:00:00.123456Z",
    "updated_at": "2025-03-01T10:00:00.123456Z", "deleted_at": None, "deleted_by": None, "removed_by_staff": None,
}  # fmt: skip
_PLACE: Final = {
    "version": "3.6.1.Final", "connector": "postgresql", "name": "shop", "ts_ms": 1796046804039, "snapshot": "false",
    "db": "shop", "sequence": '[null,"22308920"]', "ts_us": 1796046804039809, "ts_ns": 1796046804039809000,
    "schema": "public", "table": "reviews", "txId": 727, "lsn": 22308920, "xmin": None, "origin": None,
    "origin_lsn": None,
}  # fmt: skip
_KIND: Final = {int: "int64", str: "string"}


def _changes() -> dict[str, Source]:
    """Return an edit in each shape."""
    later = _ROW | {"stars": 5, "updated_at": "2025-03-02T10:00:00.123456Z"}
    full = {"before": _ROW, "after": later, "source": _PLACE, "transaction": None, "op": "u", "ts_ms": 1796046804490}
    fields = [
        {"type": _KIND.get(type(value), "string"), "optional": True, "field": name} for name, value in _ROW.items()
    ]
    halves = [{"type": "struct", "fields": fields, "optional": True, "field": half} for half in ("before", "after")]
    schema = {"type": "struct", "fields": halves, "optional": False, "name": "shop.public.reviews.Envelope"}
    bodies = {
        "old row in the log": full,
        "without the old row": full | {"before": None},
        "with its schema": {"schema": schema, "payload": full},
        "flattened": later | {"__op": "u", "__source_lsn": 22308920, "__source_ts_us": 1796046804039809},
    }
    return {name: Source("t", 0, 0, 0, b'{"id":12345}', json.dumps(body).encode(), ()) for name, body in bodies.items()}


def mapping_costs() -> dict[str, float]:
    """Return microseconds a change, by shape; the shapes alternate, and the quickest round of each one counts."""
    changes = _changes()
    mapping = Mapping([Table("t", "reviews", columns=_COLUMNS)], SchemaCache(), Path(), 65_536, 3600)
    best = dict.fromkeys(changes, float("inf"))
    for _ in range(_ROUNDS):
        for name, source in changes.items():
            started = time.perf_counter()
            for _ in range(_CHANGES):
                mapping.events(source)
            best[name] = min(best[name], time.perf_counter() - started)
    return {name: 1e6 * seconds / _CHANGES for name, seconds in best.items()}


def backlog_rates(records: int) -> tuple[float, float]:
    """Return records/s of one bridge in a backlog, and events/s of one worker in the events that it has written."""
    with Broker() as broker, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        group = Group("bench", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), folder)
        mapping = folder / "mapping.toml"
        columns = ", ".join(f'{field} = "{column}"' for field, column in _COLUMNS.items())
        mapping.write_text(f'[[table]]\ntopic = "bench.rows"\nevents = "reviews"\ncolumns = {{ {columns} }}\n')
        make_topics(group, {"bench.rows": 1})
        send(group, "bench.rows", [(0, _birth(number, records)) for number in range(records)])
        bridge, rate = BridgeProcess(group, mapping), Rate(records)
        while not rate.done:
            rate.add_sample(bridge.records())
            time.sleep(1)
        while bridge.records() < records:
            time.sleep(1)
        bridge.stop()
        return rate.per_second, rate_of_workers(1, group, records)


def _birth(number: int, records: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    seconds = number * 200 * 86_400 // records
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_740_787_200 + seconds))
    row = _ROW | {"id": number, "seller_id": f"seller-{number % 500:04d}", "author_id": f"reviewer-{number}"}
    body = {"before": None, "after": row | {"created_at": at, "updated_at": at}, "source": _PLACE, "op": "c"}
    return b'{"id":%d}' % number, json.dumps(body).encode(), []


def main() -> None:
    """Print both."""
    for name, microseconds in mapping_costs().items():
        sys.stdout.write(f"{name:22}{microseconds:8.1f} us a change\n")
    bridge, worker = backlog_rates(int(sys.argv[1]) if len(sys.argv) > 1 else _RECORDS)
    line = f"one bridge {bridge:,.0f} records/s, one worker {worker:,.0f} events/s, ratio {bridge / worker:.2f}"
    sys.stdout.write(f"{line}, on {os.cpu_count()} cores with the broker\n")


if __name__ == "__main__":
    main()
