"""What metrics and health show of a worker's tasks.

Rule of this room: it only reads, and at a cost that does not grow with what a task has read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from stream.config import Settings
from stream.core.detector import Detector
from stream.core.dossiers import midnight
from stream.core.past import YEAR_SECONDS
from stream.engine.crew import Member
from stream.engine.task import State, Task
from stream.intake.refusal import Refusal
from stream.ops.metrics import FamilyView, TaskView

#: Position and end of a stream of a partition, as far as the client knows them.
Tail = Callable[[int, int], tuple[int | None, int | None]]


def of_states(members: Mapping[int, Member]) -> dict[int, str]:
    """The state of each task, by partition number."""
    return {partition: member.task.state.value for partition, member in members.items()}


def of_tasks(members: Mapping[int, Member], settings: Settings, tail: Tail) -> dict[int, TaskView]:
    """The running tasks' views, by partition number."""
    return {
        partition: _view(member, settings, tail)
        for partition, member in members.items()
        if member.task.state is State.RUNNING
    }


def _view(member: Member, settings: Settings, tail: Tail) -> TaskView:
    task = member.task
    detector = task.detector
    lag_records, lag_seconds = _lag(task, settings, tail)
    judged = detector.panel.progress.judged
    none = {f"{topic}/{reason}": 0 for topic in settings.read_topics for reason in Refusal}
    return TaskView(
        counts=detector.counts,
        dead=none | task.dead,
        unknown_fields=task.unknown_fields,
        lag_records=lag_records,
        lag_seconds=lag_seconds,
        families=_families(detector, settings.alert_budget),
        pattern_scores=detector.patterns.scores,
        gauges={
            "watermark_timestamp_seconds": max(detector.clock, 0.0),
            "at_risk_reviews": len(detector.reviews),
            "products": len(detector.products),
            "checkpoint_age_seconds": time.monotonic() - member.checkpointed_at,
            "expected_flips_per_second": detector.norm.flips_per_second(),
            "staff_judged_timestamp_seconds": midnight(judged) if judged is not None else 0.0,
        },
    )


def _families(detector: Detector, budget: float) -> dict[str, FamilyView]:
    """Sellers, and the staff who belong to this task."""
    since = detector.clock - YEAR_SECONDS

    def family(alerted: Iterable[dict[str, float]], evidence: list[float], subjects: int) -> FamilyView:
        # Of one watch only the latest alert is known, at most one in 30 days. A product's is no accusation.
        raised = sum(at >= since for one in alerted for kind, at in one.items() if not kind.startswith("product."))
        return FamilyView(subjects, raised, budget * subjects / 1000, evidence)

    sellers, staff = detector.sellers.values(), detector.panel.dossiers.values()
    return {
        "sellers": family(
            (one.alerted_at for one in sellers), [max(one.log_odds) for one in sellers if one.log_odds], len(sellers)
        ),
        "staff": family(
            (one.alerted_at for one in staff), [one.top() for one in staff if one.top() > -math.inf], len(staff)
        ),
    }


def _lag(task: Task, settings: Settings, tail: Tail) -> tuple[dict[str, int], dict[str, float]]:
    """By topic, the records not yet applied, and how long ago Kafka was given the oldest of them."""
    records: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for stream, topic in enumerate(settings.input_topics):
        position, end = tail(stream, task.partition)
        if position is None or end is None:
            continue
        records[topic] = max(0, end - position) + task.merge.streams[stream].waiting
        oldest = task.oldest_sent_at(stream) if records[topic] else None
        if oldest is not None or not records[topic]:  # it has records of which none was fetched: not known
            seconds[topic] = 0.0 if oldest is None else max(0.0, time.time() - oldest)
    return records, seconds
