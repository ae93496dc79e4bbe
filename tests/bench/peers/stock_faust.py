"""Faust as in its documentation: an agent, a table in memory with a changelog, message by message."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import faust

from tests.bench.peers.core import GROUP, PARTITIONS, SERVERS, TOPICS, Core, ProgressCounter

app = faust.App(
    GROUP or "stock-faust",
    broker=f"kafka://{SERVERS}",
    key_serializer="raw",
    value_serializer="raw",
    consumer_auto_offset_reset="earliest",
    topic_partitions=PARTITIONS,
    store="memory://",
    datadir=tempfile.gettempdir(),
    worker_redirect_stdouts=False,
)
reviews = app.Table("reviews", default=bytes, partitions=PARTITIONS, key_type=str, value_type=bytes)
core, counter = Core(), ProgressCounter()


@app.agent(app.topic(*TOPICS, key_type=bytes, value_type=bytes))
async def apply(stream: Any) -> None:
    """Apply the events of a stream."""
    async for event in stream.events():
        message = event.message
        name, row = core.apply(message.topic, message.partition, message.key, message.value)
        reviews[name] = row
        counter.add()


if __name__ == "__main__":
    sys.argv = ["faust", "worker", "--without-web", "--loglevel", "ERROR"]
    app.main()
