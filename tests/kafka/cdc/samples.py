"""Samples of what Debezium writes about rows of a real PostgreSQL, in tests/data/debezium.

Invariant: `python -m tests.kafka.cdc.samples` writes all files anew. Each line is a record as it is in Kafka: topic,
partition, offset, key, value (text or null) and headers. tests/data/README.md says what each file contains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, LiteralString

from stream.config import KafkaSettings
from stream.ops.broker import Broker
from tests.kafka.cdc.connect import KafkaConnect
from tests.kafka.cdc.connectors import shop_connector
from tests.kafka.cdc.postgres import Postgres
from tests.kafka.cdc.records import ConnectRecord, read_until
from tests.kafka.group import wait

FOLDER: Final = Path(__file__).parents[2] / "data" / "debezium"
#: With the columns that order them.
_TABLES: Final = {"reviews": "id", "kinds": "id", "notes": "body", "debezium_signal": "id", "finish": "id"}

_SCHEMA: Final = """
DROP TABLE IF EXISTS reviews, kinds, notes, debezium_signal, finish;
DROP TYPE IF EXISTS visibility;
CREATE TYPE visibility AS ENUM ('shown', 'hidden');
CREATE TABLE reviews (
  id bigint PRIMARY KEY, seller_id text NOT NULL, product_id text NOT NULL, author_id text NOT NULL,
  stars smallint NOT NULL, body text, visibility visibility NOT NULL DEFAULT 'shown',
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, deleted_at timestamptz, deleted_by text,
  removed_by_staff text
);
-- Stored outside of the row if the row is longer than 2 kB, without compression.
ALTER TABLE reviews ALTER body SET STORAGE EXTERNAL;
CREATE TABLE kinds (
  id bigint PRIMARY KEY, price numeric(10,2), weight numeric, flag boolean, ratio double precision, mood visibility,
  token uuid, document jsonb, code char(5), tags text[], raw bytea,
  at timestamptz, at_ms timestamptz(3), local_at timestamp, local_ms timestamp(3), day date, clock time
);
CREATE TABLE notes (seller_id text, body text);
ALTER TABLE notes REPLICA IDENTITY FULL;
CREATE TABLE debezium_signal (id text PRIMARY KEY, type text NOT NULL, data text);
CREATE TABLE finish (id bigint PRIMARY KEY);
"""
_REVIEWS_BEFORE: Final = """
INSERT INTO reviews (id, seller_id, product_id, author_id, stars, body, created_at, updated_at) VALUES
  (1, 's1', 'p1', 'u1', 1, 'It broke.', '2025-03-01 10:00:00.123456+00', '2025-03-01 10:00:00.123456+00'),
  (2, 's1', 'p2', 'u2', 2, 'Too small.', '2025-03-01 12:00:00+02', '2025-03-01 12:00:00+02');
"""
_REVIEWS_AFTER: Final = """
INSERT INTO reviews (id, seller_id, product_id, author_id, stars, body, created_at, updated_at)
  VALUES (3, 's2', 'p3', 'u3', 1, repeat('It broke after a week. ', 100),
    '2025-03-02 10:00:00+00', '2025-03-02 10:00:00+00');
UPDATE reviews SET stars = 5, updated_at = '2025-03-03 10:00:00+00' WHERE id = 3;
UPDATE reviews SET stars = 4, updated_at = '2025-03-04 10:00:00.5+00' WHERE id = 1;
UPDATE reviews SET stars = stars WHERE id = 1;
UPDATE reviews SET deleted_at = '2025-03-05 10:00:00+00', deleted_by = 'author',
  updated_at = '2025-03-05 10:00:00+00' WHERE id = 1;
UPDATE reviews SET deleted_at = '2025-03-06 10:00:00+00', deleted_by = 'moderator', removed_by_staff = 'staff-7',
  visibility = 'hidden' WHERE id = 2;
UPDATE reviews SET id = 30 WHERE id = 3;
DELETE FROM reviews WHERE id = 2;
BEGIN;
INSERT INTO reviews (id, seller_id, product_id, author_id, stars, created_at, updated_at) VALUES
  (4, 's1', 'p1', 'u4', 3, '2025-03-07 10:00:00+00', '2025-03-07 10:00:00+00'),
  (5, 's1', 'p1', 'u5', 3, '2025-03-07 10:00:00+00', '2025-03-07 10:00:00+00');
UPDATE reviews SET stars = 5, updated_at = '2025-03-08 10:00:00+00' WHERE id = 5;
DELETE FROM reviews WHERE id = 4;
COMMIT;
TRUNCATE reviews;
"""
_KINDS: Final = """
INSERT INTO kinds VALUES
  ({0}, 19.90, 1.5, true, 0.1, 'hidden', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '{{"a": [1, "é"]}}', 'ab',
   ARRAY['x', NULL], '\\xdeadbeef', '2025-03-01 10:00:00.123456+00', '2025-03-01 10:00:00.123+00',
   '2025-03-01 10:00:00.123456', '2025-03-01 10:00:00.123', '2025-03-01', '10:00:00.123456'),
  ({0} + 1, -0.01, 12345678901234567890.0123456789, false, -1e300, 'shown', NULL, 'null', '', '{{}}', '',
   '1969-12-31 23:59:59.5+00', '1969-12-31 23:59:59.5+00', '1969-12-31 23:59:59.5', '1969-12-31 23:59:59.5',
   '1969-12-31', '00:00'),
  ({0} + 2, 99999999.99, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL,
   'infinity', '-infinity', 'infinity', '-infinity', 'infinity', '24:00'),
  ({0} + 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""
_EXTRAS: Final = """
INSERT INTO notes VALUES ('s1', 'first');
UPDATE notes SET body = 'second';
DELETE FROM notes;
SELECT pg_logical_emit_message(true, 'shop', 'a message in the log');
INSERT INTO debezium_signal VALUES
  ('again', 'execute-snapshot', '{"type": "incremental", "data-collections": ["public.reviews"]}');
"""


class Capture:
    """Writes the records that one connector makes of one script."""

    def __init__(self, kafka: KafkaSettings, postgres: Postgres, connect: KafkaConnect, folder: Path = FOLDER) -> None:
        self._kafka, self._postgres, self._connect, self._folder = kafka, postgres, connect, folder

    def reviews(self, full: bool, schemas: bool) -> str:
        """Write the file about reviews with one of the replica identities; return its name."""
        name = f"reviews-{'full' if full else 'default'}{'-schemas' if schemas else ''}"
        identity: LiteralString = "ALTER TABLE reviews REPLICA IDENTITY FULL;" if full else ""
        self.write(name, identity + _REVIEWS_BEFORE, _REVIEWS_AFTER, {"skipped.operations": "none"}, schemas)
        return f"{name}.jsonl"

    def write(
        self,
        name: str,
        before: LiteralString,
        after: LiteralString,
        more: Mapping[str, str] | None = None,
        schemas: bool = False,
        snapshots_again: int = 0,
    ) -> None:
        """Write a file.

        Args:
            name: Of the file and, with `_`, of the topics' prefix.
            before: Run before the connector starts, so that Debezium finds the rows in its snapshot.
            after: Run while Debezium streams.
            more: Further settings of the connector.
            schemas: Whether records hold their schemas.
            snapshots_again: How many rows an incremental snapshot reads, which the script asks for.
        """
        prefix = name.replace("-", "_")
        self._postgres.execute(_SCHEMA + before)
        settings = {"slot.drop.on.stop": "true", **(more or {})}
        config = shop_connector(
            self._postgres, prefix=prefix, tables=_TABLES, schemas=schemas, partitions=1, more=settings
        )
        self._connect.create(name, config)
        wait(lambda: self._postgres.streams(prefix), 30, f"the connector {name} does not stream")
        with self._postgres.connect() as connection:
            for statement in (after + "INSERT INTO finish VALUES (1)").split(";\n"):  # each is a transaction of its own
                connection.execute(statement)
        topics = [f"{prefix}.public.{table}" for table in _TABLES] + [f"{prefix}.message", f"{prefix}.transaction"]

        def complete(records: list[ConnectRecord]) -> bool:
            again = sum('"snapshot":"incremental"' in (record.value or "") for record in records)
            return again >= snapshots_again and any(record.topic == f"{prefix}.public.finish" for record in records)

        records = read_until(self._kafka, topics, complete)
        self._connect.delete(name)
        kept = sorted(record for record in records if not record.topic.endswith(".finish"))
        lines = [json.dumps(record._asdict(), ensure_ascii=False) + "\n" for record in kept]
        (self._folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    with Broker() as broker, Postgres() as postgres, KafkaConnect(broker.bootstrap_servers) as connect:
        capture = Capture(KafkaSettings(bootstrap_servers=broker.bootstrap_servers), postgres, connect)
        for schemas in (False, True):
            capture.reviews(full=False, schemas=schemas)
            capture.reviews(full=True, schemas=schemas)
        rows, later = _KINDS.format(1), _KINDS.format(11)
        for mode in ("precise", "string", "double"):
            capture.write(f"kinds-{mode}", rows, later, {"decimal.handling.mode": mode})
        capture.write("kinds-precise-schemas", rows, later, {"decimal.handling.mode": "precise"}, True)
        for mode in ("connect", "isostring", "microseconds", "nanoseconds"):
            capture.write(
                f"kinds-time-{mode}", rows, later, {"time.precision.mode": mode, "decimal.handling.mode": "string"}
            )
        capture.write("kinds-time-connect-schemas", rows, later, {"time.precision.mode": "connect"}, True)
        unwrap = {
            "transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
            "transforms.unwrap.add.fields": "op,source.ts_ms,source.lsn",
        }  # fmt: skip
        capture.write("reviews-unwrapped", _REVIEWS_BEFORE, _REVIEWS_AFTER, unwrap)
        extras = {
            "provide.transaction.metadata": "true", "tombstones.on.delete": "false",
            "signal.data.collection": "public.debezium_signal",
        }  # fmt: skip
        capture.write("extras", _REVIEWS_BEFORE, _EXTRAS, extras, snapshots_again=2)


if __name__ == "__main__":
    main()
