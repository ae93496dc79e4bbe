"""Bytewax: a Kafka source, a stateful map by review, recovery in SQLite, as in its documentation."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from bytewax.testing import TestingSink

from tests.bench.peers.core import SERVERS, TOPICS, Core, ProgressCounter

core, counter = Core(), ProgressCounter()


class DiscardingList(list[Any]):
    """Discards the output of the flow."""

    def extend(self, items: Any) -> None:
        """Discard the items."""


def _applied(message: Any) -> tuple[str, bytes]:
    name, row = core.apply(message.topic, message.partition, message.key, message.value)
    counter.add()
    return name, row


def _store(state: bytes | None, row: bytes) -> tuple[bytes, bytes]:
    return row, row


flow = Dataflow("volteface")
messages = op.input("kafka", flow, KafkaSource([SERVERS], TOPICS, tail=True, batch_size=1000))
rows = op.map("core", messages, _applied)
stored = op.stateful_map("state", rows, _store)
op.output("out", stored, TestingSink(DiscardingList()))


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="volteface-bench-bytewax-"))
    init_db_dir(folder, 1)
    cli_main(flow, epoch_interval=timedelta(seconds=0.5), recovery_config=RecoveryConfig(str(folder)))
