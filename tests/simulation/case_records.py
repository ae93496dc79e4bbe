"""The cases topic of a run, as a reader of committed records finds it, and what must hold of it in every run.

Invariant: a case is written in the transaction of the checkpoint that changed it. So the latest record of each case is
the case of the committed state, and a record never reflects less of the input than one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from aiokafka import TopicPartition

from stream.contract.cases import Case
from stream.engine.task import Task
from tests.simulation.input_markets import SETTINGS
from tests.simulation.kafka_log import Log, LogRecord

_decode: Final = msgspec.json.Decoder(Case).decode


def written(log: Log, topic: str, since: Mapping[TopicPartition, int]) -> Iterator[LogRecord]:
    """Yield the committed records of a topic, partition by partition, from an offset on."""
    for tp in sorted(tp for tp in log.partitions if tp.topic == topic):
        yield from (record for record in log.partitions[tp].committed() if record.offset >= since.get(tp, 0))


def latest_cases(records: Iterable[LogRecord]) -> dict[str, Case]:
    """Return the latest record of each case, by id; none of a case whose latest record is a tombstone."""
    cases = {record.key: _case(record) for record in records}
    return {(name or b"").decode(): case for name, case in cases.items() if case is not None}


def _case(record: LogRecord) -> Case | None:
    return None if record.value is None else _decode(record.value)


def unplaced(case: Case) -> Case:
    """Return a case without its position, the only field that is no function of the input."""
    return msgspec.structs.replace(case, position=None)


def case_problems(
    log: Log, latest: dict[str, Case], tasks: Sequence[Task], since: Mapping[TopicPartition, int]
) -> list[str]:
    """Describe what is wrong with the cases topic beside the committed state, whatever the input was.

    Args:
        log: The simulated Kafka.
        latest: The latest record of each case.
        tasks: The tasks with their committed state.
        since: By partition, the offset of the first record that counts.
    """
    kept = {case.case_id: (task.partition, case) for task in tasks for case in task.detector.shown_cases()}
    problems = [f"case {name} is in the topic and in no state" for name in sorted(latest.keys() - kept)]
    for name, (partition, case) in sorted(kept.items()):
        record = latest.get(name)
        if record is None:
            problems.append(f"case {name} has no record")
        elif unplaced(record) != case:
            problems.append(f"case {name} is in the topic as it was before its latest change, or as it never was")
        elif record.position is None or record.position.task != partition:
            problems.append(f"case {name} of task {partition} names the position {record.position}")
    return [*problems, *_went_back(written(log, SETTINGS.cases_topic, since)), *_outside_transactions(log)]


def _outside_transactions(log: Log) -> Iterator[str]:
    """Yield each case of which a record can be read that was not committed together with its task's state."""
    for tp in sorted(tp for tp in log.partitions if tp.topic == SETTINGS.cases_topic):
        partition = log.partitions[tp]
        for record in partition.committed():
            transaction, case = partition.records[record.offset][1], _case(record)
            task = None if case is None or case.position is None else case.position.task
            state = TopicPartition(SETTINGS.state_topic, task)
            if transaction is None or (task is not None and state not in transaction.partitions):
                yield f"a record of case {record.key!r} was committed without the state of task {task}"


def _went_back(records: Iterable[LogRecord]) -> list[str]:
    """Return each case of which a record reflects less of the input than one before it."""
    offsets: dict[str, int] = {}
    problems = []
    for record in records:
        case = _case(record)
        if case is not None and case.position is not None:
            if case.position.offset < offsets.get(case.case_id, 0):
                problems.append(f"case {case.case_id} went back to offset {case.position.offset} of the verdicts")
            offsets[case.case_id] = case.position.offset
    return problems
