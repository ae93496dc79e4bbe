"""The composition root of the bridge: settings, mapping, transport, task manager, metrics.

Invariant: this module imports the others, and only Faust imports it (`volteface bridge`).
"""

from __future__ import annotations

import logging.config
import math
from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Final

import structlog
from faust.types import TP

from stream.access_watch import AccessWatch
from stream.bridge import source_logs
from stream.bridge.assignor import NumberAssignor
from stream.bridge.metrics import BridgeMetrics
from stream.bridge.runner import BridgeRunner
from stream.bridge.start import begin, check_written_topics, needed_rights
from stream.bridge.task import BridgeTask
from stream.engine.faust_app import Raw, make_app
from stream.engine.idle_streams import Tail
from stream.engine.preflight import check
from stream.engine.record_limits import RecordLimits
from stream.engine.refusals import MissingTopicError
from stream.engine.schema_fetcher import SchemaFetcher
from stream.engine.service_pages import Readiness, add_pages
from stream.engine.task_manager import TaskManager
from stream.engine.transactional_writer import TransactionalWriter
from stream.group_member import GroupMember
from stream.ops import log_filters, logs, memory
from stream.ops.metrics import Heartbeat
from stream.ops.schema_registry import SchemaRegistry
from stream.ops.topic_ids import TopicIds
from stream.rights import MissingRightsError

#: How often the bridge looks for topics and partitions that are new.
_TOPICS_SECONDS: Final = 10

with logs.one_line_errors():
    bridge = begin()
    settings, kafka, mapping = bridge.settings, bridge.kafka, bridge.mapping
    app = make_app(settings, kafka, NumberAssignor, logs.configure(settings.log_level))
    _registry = None if settings.schema_registry_url is None else SchemaRegistry(settings)
log_filters.warn_once_of_clear_text()
log = structlog.get_logger()
app.on_fatal = logs.fatal
app.port_variable = "VOLTEFACE_BRIDGE_PORT"
_topic_ids = TopicIds(kafka, mapping.topics)
_limits = RecordLimits([settings.dead_letter_topic(topic) for topic in mapping.topics])
access_watch = AccessWatch(kafka, needed_rights(settings, mapping.topics))
member = GroupMember(app, settings, kafka, access_watch)


def _tail(topic: str, partition: int) -> Tail:
    found: Tail = app.consumer.tail(TP(topic, partition))
    return found


class _Partitions:
    """The transport, as the task runners use it."""

    def tail(self, topic: str, partition: int) -> Tail:
        return _tail(topic, partition)

    def pause(self, topic: str, partition: int) -> None:
        app.consumer.pause_partitions({TP(topic, partition)})

    def resume(self, topic: str, partition: int) -> None:
        app.consumer.resume_partitions({TP(topic, partition)})


async def _report_denied(partition: int, error: MissingRightsError | MissingTopicError) -> None:
    await access_watch.report(*str(error).splitlines())


#: By partition number, the topics of this process that have such a partition.
_topics_of: dict[int, tuple[str, ...]] = {}
_counts: dict[str, int] = {}


def _lag() -> Mapping[tuple[str, int], float]:
    found: dict[tuple[str, int], float] = {}
    for number, runner in manager.runners.items():
        for topic, offset in runner.task.offsets.items():
            position, end, *_ = _tail(topic, number)
            if end is None:
                found[topic, number] = math.nan  # Kafka has not said it yet
                continue
            # What the client has passed over without a record are markers of transactions.
            is_read = position is not None and position >= end and not runner.task.merge.inboxes[topic]
            found[topic, number] = 0 if is_read else max(0, end - offset)
    return found


def _states() -> Mapping[int, bool]:
    return {number: number in manager.runners and manager.runners[number].running for number in manager.assigned or ()}


metrics = BridgeMetrics(mapping.topics, _lag, _states, member.connected, lambda: mapping.unknown_deleters)
heartbeat = Heartbeat()
_schemas = None if _registry is None or bridge.schemas is None else SchemaFetcher(bridge.schemas, _registry)
_partitions = _Partitions()


def _make_runner(partition: int, _: int) -> BridgeRunner:
    writer = TransactionalWriter(partition, settings, kafka, _limits)
    task = BridgeTask(
        partition, _topics_of[partition], settings, mapping, writer, _limits, bridge.own.on_refusal == "stop"
    )
    start = partial(source_logs.start_of, kafka, settings.app_id)
    return BridgeRunner(task, _partitions, metrics, start, _topic_ids.present, settings.max_idle_seconds, _schemas)


manager = TaskManager(_make_runner, metrics, member.rejoin, member.crash, _report_denied)


@app.agent(app.topic(*mapping.topics, schema=Raw()))
async def read_batches(batches: Any) -> None:
    """Give each batch to its task. A batch of a partition that was just revoked is read again by the next owner."""
    async for event in batches.noack().events():
        batch = event.message.value
        runner = manager.runners.get(batch.partition)
        if runner is not None and batch.topic in runner.task.topics:
            runner.take(batch.topic, batch.records)


def _waiting(line: str) -> None:
    log.warning("waiting_for_kafka", text=f"{line}; then this bridge ends with exit code 1: start it again")


@app.on_worker_init.connect
def _begin(sender: Any, **_: Any) -> None:
    _check_start()


@cache  # Faust sends the signal twice
def _check_start() -> None:
    with logs.one_line_errors():
        logging.config.dictConfig(app.conf.logging_config)  # Faust does that a little later
        check(kafka, _waiting)
        access_watch.wait()
        check_written_topics(settings, kafka, mapping.topics)
    memory.collect_less_often()
    log.info("bridge_started", version=version("volteface"), group=settings.app_id, topics=list(mapping.topics))


@app.on_partitions_assigned.connect
async def _assigned(sender: Any, assigned: set[TP], **_: Any) -> None:
    # Nothing is awaited here: a batch that arrived before its task exists would be dropped and not read again.
    _counts.update(app.consumer.partition_counts(mapping.topics))
    found = {
        number: tuple(topic for topic in mapping.topics if TP(topic, number) in assigned)
        for number in {tp.partition for tp in assigned if tp.topic in mapping.topics}
    }
    _topics_of.clear()
    _topics_of.update(found)
    missing = [topic for topic in mapping.topics if not _counts[topic]]
    log.info("assigned", partitions=sorted(found), **({"missing_topics": missing} if missing else {}))
    manager.assign(set(found), max(_counts.values(), default=0))


@app.on_partitions_revoked.connect
async def _revoked(sender: Any, revoked: set[TP], **_: Any) -> None:
    if manager.assigned:
        log.info("revoked", partitions=sorted({tp.partition for tp in revoked}))
    await manager.revoke()


@app.on_before_shutdown.connect
async def _stopping(sender: Any, **_: Any) -> None:
    await manager.revoke()
    if _registry is not None:
        await _registry.close()


@app.timer(1.0)
async def _beat() -> None:
    heartbeat.beat()


@app.timer(_TOPICS_SECONDS)
async def _look_for_topics() -> None:
    """Join again when a topic is there that was missing, or has more partitions: connectors make topics when needed."""
    if not member.connected() or manager.assigned is None:
        return
    present = await _topic_ids.partition_counts()
    grown = sorted(topic for topic in mapping.topics if present.get(topic, 0) > _counts.get(topic, 0))
    if grown:
        log.info("topics_found", topics=grown)
        await member.rejoin()


def _readiness() -> Readiness:
    """Ready once every assigned task has begun; a spare bridge while Kafka is there."""
    states = _states()
    ready = manager.assigned is not None and all(states.values()) and member.connected()
    tasks = {number: "running" if runs else "starting" for number, runs in states.items()}
    return Readiness(ready, ready and not states, tasks)


add_pages(app, metrics.exposition, lambda: heartbeat.age_seconds, _readiness)
