"""The composition root: settings -> transport, crew of tasks, metrics; also `faust -A stream.app worker`.

Rule of this room: it knows all the others, and nobody knows it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faust
import structlog
from faust.exceptions import ImproperlyConfigured
from faust.types import TP
from faust.web import Request, Response, View
from kafka.errors import KafkaError

from stream import config, views
from stream.core.codec import StateError
from stream.engine.crew import Crew
from stream.engine.knock import knock
from stream.engine.ledger import KafkaLedger, credentials
from stream.engine.task import State
from stream.ops import logs, memory, topics
from stream.ops.metrics import CONTENT_TYPE, Metrics, Pulse, TaskView


@contextmanager
def _one_line() -> Iterator[None]:
    """What a person can mend ends the start with one line, not a trace."""
    try:
        yield
    except (config.SettingsError, KafkaError, LookupError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


with _one_line():
    settings, kafka = config.load()
    _credentials = credentials(kafka)
log = structlog.get_logger()

_urls = ";".join(f"batched://{server}" for server in kafka.bootstrap_servers.split(","))

app = faust.App(
    settings.app_id,
    broker=_urls.replace("batched://", "kafka://"),
    broker_consumer=_urls,
    broker_credentials=_credentials,
    key_serializer="raw",
    value_serializer="raw",
    topic_allow_declare=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    # A backlog must not run dry while a fetch waits for what tasks tell each other: Kafka answers one at a time.
    consumer_max_fetch_size=1_048_576,
    broker_max_poll_records=8000,
    broker_session_timeout=10,
    broker_heartbeat_interval=2,
    broker_rebalance_timeout=15,
    broker_request_timeout=30,
    broker_max_poll_interval=300,
    stream_buffer_maxsize=16,
    stream_wait_empty=False,
    store="memory://",
    datadir=tempfile.gettempdir(),  # nothing is kept there: state lives in Kafka
    web_bind=settings.web_host,
    web_host=settings.web_host,
    web_port=settings.web_port,
    logging_config=logs.configure(settings.log_level),
    worker_redirect_stdouts=False,
    web_in_thread=False,
)


class Raw(faust.Schema):
    """Hands on what the transport made: a batch of undecoded records."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """A batch has no key."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The batch."""
        return message.value


class _Tap:
    """The transport, as the crew sees it."""

    def at_end(self, stream: int, partition: int) -> bool:
        position, end, handed_on = app.consumer.tail(_tp(stream, partition))
        member = crew.members.get(partition)
        if member is None or position is None or end is None:
            return False
        return bool(position >= end) and handed_on <= member.taken(stream)

    def pause(self, stream: int, partition: int) -> None:
        app.consumer.pause_partitions({_tp(stream, partition)})

    def resume(self, stream: int, partition: int) -> None:
        app.consumer.resume_partitions({_tp(stream, partition)})


def _tp(stream: int, partition: int) -> TP:
    return TP(settings.read_topics[stream], partition)


def _tail(stream: int, partition: int) -> tuple[int | None, int | None]:
    position, end, _ = app.consumer.tail(_tp(stream, partition))
    return position, end


async def _ask_again() -> None:
    """Ask the group for a new assignment, after a second: what was wrong with the present one may still be so."""
    await asyncio.sleep(1)
    await app.consumer.rejoin()


async def _end(error: StateError) -> None:
    """Have the worker end with exit code 1 and one line for a person, however many tasks have failed."""
    if app.crash_reason is None:
        # Past the redirection of standard error into the logs.
        print(f"{type(error).__name__}: {error}", file=sys.__stderr__, flush=True)
        await app.crash(error)


def _task_views() -> dict[int, TaskView]:
    return views.of_tasks(crew.members, settings, _tail)


def _task_states() -> dict[int, str]:
    return views.of_states(crew.members)


def _kafka_connected() -> bool:
    return bool(app.consumer.connected())


metrics = Metrics(_task_views, _task_states, _kafka_connected)
pulse = Pulse()
crew = Crew(settings, lambda partition: KafkaLedger(partition, settings, kafka), _Tap(), metrics, _ask_again, _end)
_streams = {topic: stream for stream, topic in enumerate(settings.read_topics)}


@app.agent(app.topic(*settings.read_topics, schema=Raw()))
async def intake(batches: Any) -> None:
    """Brings each batch to its task; a batch of a partition that just went is done again by its next owner."""
    async for event in batches.noack().events():
        batch = event.message.value
        member = crew.members.get(batch.partition)
        if member is not None:
            member.take(_streams[batch.topic], batch.records)


@app.on_worker_init.connect
def _check_topics(sender: Any, **_: Any) -> None:
    # Wrong topics would split a seller's events over tasks, or start with an empty state: better not to start.
    with _one_line():
        knock(kafka)
        problems = topics.check(settings, kafka)
    if problems:
        sys.exit("\n".join(problems))
    memory.collect_less_often()


@app.on_partitions_assigned.connect
async def _assigned(sender: Any, assigned: set[TP], **_: Any) -> None:
    # Nothing is awaited here: a batch that came before its task was there would be dropped, and never read again.
    partitions = {tp.partition for tp in assigned if tp.topic in _streams}
    counts = app.consumer.partition_counts(settings.read_topics)
    if 0 in counts.values():
        # Not a wrong setting, for the start has seen them all: Kafka, just started, may know no topics yet. What is
        # read until the next assignment is dropped; that one begins again from what was committed.
        log.warning("partitions_unknown", counts=counts)
        app.add_future(_ask_again())
        return
    if len(set(counts.values())) > 1:
        # Tasks over unequal topics would judge sellers by a part of their events.
        raise ImproperlyConfigured(f"the topics that are read need the same number of partitions, they have {counts}")
    count = counts[settings.lifecycle_topic]
    log.info("assigned", partitions=sorted(partitions), of=count)
    metrics.assigned(count)
    crew.assign(partitions, count)


@app.on_partitions_revoked.connect
async def _revoked(sender: Any, revoked: set[TP], **_: Any) -> None:
    log.info("revoked", partitions=sorted({tp.partition for tp in revoked}))
    await crew.revoke()
    memory.collect_now()


@app.on_before_shutdown.connect
async def _stopping(sender: Any, **_: Any) -> None:
    await crew.revoke()


@app.timer(1.0)
async def _beat() -> None:
    pulse.beat()


@app.page("/metrics")
class MetricsPage(View):
    """What Prometheus reads."""

    async def get(self, request: Request) -> Response:
        """OpenMetrics."""
        return self.bytes(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


@app.page("/health/live")
class Live(View):
    """200 while the event loop makes progress."""

    async def get(self, request: Request) -> Response:
        """The loop's last beat."""
        alive = pulse.age_seconds < 30
        return self.json({"live": alive, "beat_age_seconds": pulse.age_seconds}, status=200 if alive else 503)


@app.page("/health/ready")
class Ready(View):
    """200 once every assigned task is restored."""

    async def get(self, request: Request) -> Response:
        """The tasks and their states."""
        states = {str(partition): state for partition, state in _task_states().items()}
        ready = bool(states) and set(states.values()) == {State.RUNNING.value}
        return self.json({"ready": ready, "tasks": states}, status=200 if ready else 503)
