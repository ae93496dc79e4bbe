"""The composition root of the worker: settings, transport, task manager, metrics; also `faust -A stream.app worker`.

Invariant: this module imports the others, and only the command line imports it.
"""

from __future__ import annotations

import asyncio
import logging.config
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import structlog
from faust.types import TP

from stream import MODEL_VERSION, config, task_views
from stream.access_watch import AccessWatch
from stream.engine.assigned_tasks import AssignedTasks, assigned_tasks
from stream.engine.checkpoint_store import KafkaCheckpointStore
from stream.engine.deciding_settings import deciding_settings
from stream.engine.faust_app import Raw, make_app
from stream.engine.group_members import assignor_of
from stream.engine.idle_streams import Tail
from stream.engine.output_encoder import OutputEncoder
from stream.engine.preflight import check
from stream.engine.record_limits import RecordLimits
from stream.engine.refusals import MissingTopicError
from stream.engine.schema_fetcher import SchemaFetcher
from stream.engine.service_pages import Readiness, add_pages
from stream.engine.task import Task, TaskPhase
from stream.engine.task_manager import TaskManager
from stream.engine.task_runner import TaskRunner
from stream.group_member import GroupMember
from stream.group_watch import MEASURE_SECONDS, GroupWatch
from stream.intake.intake import Intake
from stream.intake.schema_cache import SchemaCache
from stream.ops import access_rights, log_filters, logs, memory, open_files
from stream.ops.metrics import Heartbeat, Metrics
from stream.ops.output_schemas import wait_for_ids
from stream.ops.schema_registry import SchemaRegistry
from stream.ops.task_samples import TaskView
from stream.ops.topic_ids import TopicIds
from stream.rights import MissingRightsError
from stream.task_log import TaskLog
from stream.topic_watch import COUNTS_SECONDS, EVERY_SECONDS, TopicWatch
from stream.trust_watch import TrustWatch

with logs.one_line_errors():
    settings, kafka = config.load()
    app = make_app(settings, kafka, assignor_of(deciding_settings(settings)), logs.configure(settings.log_level))
    _registry = SchemaRegistry(settings) if "confluent" in settings.input_formats else None
log_filters.warn_once_of_clear_text()
log = structlog.get_logger()

#: The time until the group is asked for a new assignment if nobody has the partitions that tasks lack.
_UNHELD_SECONDS: Final = 5
app.on_fatal = logs.fatal


class _PartitionControl:
    """The transport, as the task runners use it."""

    def tail(self, stream: int, partition: int) -> Tail:
        return _tail(stream, partition)

    def pause(self, stream: int, partition: int) -> None:
        app.consumer.pause_partitions({_tp(stream, partition)})

    def resume(self, stream: int, partition: int) -> None:
        app.consumer.resume_partitions({_tp(stream, partition)})

    async def beginning(self, stream: int, partition: int) -> int:
        tp = _tp(stream, partition)
        return int((await app.consumer.earliest_offsets(tp))[tp])


def _tp(stream: int, partition: int) -> TP:
    return TP(settings.read_topics[stream], partition)


def _tail(stream: int, partition: int) -> Tail:
    found: Tail = app.consumer.tail(_tp(stream, partition))
    return found


async def _report_denied(partition: int, error: MissingRightsError | MissingTopicError) -> None:
    if isinstance(error, MissingTopicError):
        topic_watch.report_missing(partition, error)
    else:
        await access_watch.report(*str(error).splitlines())


def _task_views() -> dict[int, TaskView]:
    return task_views.of_tasks(manager.runners, settings, _tail, trust_watch)


def _task_states() -> dict[int, str]:
    return task_views.of_states(manager.assigned or (), manager.runners, manager.incomplete)


def _stopped_lag() -> Mapping[int, Mapping[str, int]]:
    return group_watch.lag_records


access_watch = AccessWatch(kafka, access_rights.needed(settings, "worker"))
member = GroupMember(app, settings, kafka, access_watch)
metrics = Metrics(
    _task_views, _task_states, member.connected, task_views.thresholds(settings.alert_budget), _stopped_lag
)
heartbeat = Heartbeat()
_dead_letter_topics = [settings.dead_letter_topic(topic) for topic in settings.read_topics]
_topic_ids = TopicIds(
    kafka, [*settings.read_topics, settings.state_topic], [settings.alerts_topic, *_dead_letter_topics]
)
_limits = RecordLimits(_dead_letter_topics)
topic_watch = TopicWatch(settings, kafka, metrics.topic_problems)
group_watch = GroupWatch(settings, kafka, metrics.foreign_tasks)
trust_watch = TrustWatch(settings)
task_log = TaskLog(settings)
_schemas = None if _registry is None else SchemaFetcher(SchemaCache(), _registry, metrics.schema_requested)
_encoder = OutputEncoder()
_control = _PartitionControl()


def _make_runner(partition: int, partitions: int) -> TaskRunner:
    store = KafkaCheckpointStore(partition, settings, kafka, _limits, _topic_ids.present)
    intake = Intake(settings, partitions, None if _schemas is None else _schemas.cache)
    task = Task(partition, settings, intake, store, time.time, _encoder)
    return TaskRunner(task, settings, _control, metrics, _schemas)


manager = TaskManager(_make_runner, metrics, member.rejoin, member.crash, _report_denied)
_streams = {topic: stream for stream, topic in enumerate(settings.read_topics)}


@app.agent(app.topic(*settings.read_topics, schema=Raw()))
async def read_batches(batches: Any) -> None:
    """Give each batch to its task. A batch of a partition that was just revoked is read again by the next owner."""
    async for event in batches.noack().events():
        batch = event.message.value
        runner = manager.runners.get(batch.partition)
        if runner is not None:
            runner.take(_streams[batch.topic], batch.records)


def _waiting(line: str) -> None:
    log.warning("waiting_for_kafka", text=f"{line}; then this worker ends with exit code 1: start it again")


@app.on_worker_init.connect
def _begin(sender: Any, **_: Any) -> None:
    _check_start()


@cache  # Faust sends the signal twice
def _check_start() -> None:
    # With wrong topics a seller's events would be split over tasks, or the state would be empty: the worker does not
    # start.
    with logs.one_line_errors():
        logging.config.dictConfig(app.conf.logging_config)  # Faust does that a little later
        open_files.raise_limit()
        check(kafka, _waiting)
        access_watch.wait()
        topic_watch.start()
        if settings.output_format == "avro":
            _encoder.use_avro(wait_for_ids(settings))
    memory.collect_less_often()
    log.info(
        "worker_started",
        version=version("volteface"),
        model_version=MODEL_VERSION,
        settings=settings.config_digest,
        app_id=settings.app_id,
    )


@app.on_partitions_assigned.connect
async def _assigned(sender: Any, assigned: set[TP], **_: Any) -> None:
    # Nothing is awaited here: a batch that arrived before its task exists would be dropped and not read again.
    counts = app.consumer.partition_counts(settings.read_topics)
    if 0 in counts.values():
        # The start has seen all topics: one was deleted, or Kafka may have just started and not know them yet.
        # What is read until the next assignment is dropped; the next assignment starts from the committed offsets.
        app.add_future(_report_unknown([name for name in counts if not counts[name]]))
        app.add_future(member.rejoin())
        return
    if len(set(counts.values())) > 1:
        # A topic got more partitions: the tasks of the partitions that all topics have go on, and the check says so.
        app.add_future(topic_watch.check())
    count = min(counts.values())
    tasks = assigned_tasks(assigned, settings.read_topics, count)
    log.info("assigned", partitions=sorted(tasks.whole), of=count)
    metrics.assigned(count)
    manager.assign(tasks.whole, count, tasks.incomplete)
    group_watch.assigned(tasks)
    if len(tasks.whole) < count:
        app.add_future(_report_missing(tasks, count))


async def _report_unknown(topics: Sequence[str]) -> None:
    if await topic_watch.report_unknown(topics):
        await access_watch.report()


async def _report_missing(tasks: AssignedTasks, count: int) -> None:
    """Say who has the partitions that tasks lack; the group assigns again when that member leaves."""
    if await group_watch.report(tasks, count):
        await asyncio.sleep(_UNHELD_SECONDS)
        if manager.incomplete == tasks.incomplete:
            await member.rejoin()


@app.on_partitions_revoked.connect
async def _revoked(sender: Any, revoked: set[TP], **_: Any) -> None:
    if manager.assigned is not None:  # else the assignment was of no use, and nothing was started
        log.info("revoked", partitions=sorted({tp.partition for tp in revoked}))
    await manager.revoke()
    task_log.update(manager.runners)
    memory.collect_now()


@app.on_before_shutdown.connect
async def _stopping(sender: Any, **_: Any) -> None:
    await manager.revoke()
    task_log.update(manager.runners)
    if _registry is not None:
        await _registry.close()


@app.timer(1.0)
async def _heartbeat() -> None:
    heartbeat.beat()
    task_log.update(manager.runners)


@app.timer(EVERY_SECONDS)
async def _check_running_topics() -> None:
    if member.connected():
        await topic_watch.check()


@app.timer(COUNTS_SECONDS)
async def _compare_partition_counts() -> None:
    if member.connected():
        await topic_watch.compare(await _topic_ids.partition_counts())


@app.timer(MEASURE_SECONDS)
async def _measure_stopped_tasks() -> None:
    await group_watch.measure()


@app.timer(10.0)
async def _judge_trust() -> None:
    trust_watch.update(manager.runners)


def _readiness() -> Readiness:
    """Ready once every assigned task is restored; a spare worker, which can take tasks over, while Kafka is there."""
    # Between its failure and the next assignment an assigned task is `dropped`; it is `incomplete` while another
    # member of the group has some of its partitions.
    states = _task_states()
    ready = manager.assigned is not None and set(states.values()) <= {TaskPhase.RUNNING.value}
    spare = ready and not states
    # A worker with tasks shows an outage by its tasks.
    return Readiness(member.connected() if spare else ready, spare, states)


pages = add_pages(app, metrics.exposition, lambda: heartbeat.age_seconds, _readiness)
