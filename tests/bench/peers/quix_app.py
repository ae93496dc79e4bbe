"""Quix Streams: a data frame for each topic, state in RocksDB with a changelog, exactly once."""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application, State
from quixstreams.context import message_context

from tests.bench.peers.core import GROUP, SERVERS, TOPICS, Core, ProgressCounter

core, counter = Core(), ProgressCounter()


def _apply(value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> None:
    context = message_context()
    name, row = core.apply(context.topic, context.partition, key, value)
    state.set_bytes(name, row)
    counter.add()


def main() -> None:
    """Run until the process is killed."""
    app = Application(
        broker_address=SERVERS,
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.5,
        state_dir=tempfile.mkdtemp(prefix="volteface-bench-quix-"),
        loglevel="ERROR",
    )
    for name in TOPICS:
        topic = app.topic(name, key_deserializer="bytes", value_deserializer="bytes")
        app.dataframe(topic).update(_apply, stateful=True, metadata=True)
    app.run()


if __name__ == "__main__":
    main()
