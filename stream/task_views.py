"""What metrics and health show of a worker's tasks.

Invariant: read only, at a cost that grows with the number of subjects and cases, and not with the number of events.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from stream.config import Settings
from stream.core.detector import Detector
from stream.core.evidence.watches import SELLER_SLACK, STAFF_SLACK, log_threshold
from stream.core.model.flip_windows import YEAR_SECONDS
from stream.core.model.strata import end_of_day
from stream.engine.idle_streams import Tail
from stream.engine.task import Task, TaskPhase
from stream.engine.task_runner import TaskRunner
from stream.intake.refusal import Refusal
from stream.ops.case_samples import CaseCounts
from stream.ops.task_samples import INCOMPLETE, FamilyView, TaskView
from stream.trust_watch import TrustWatch

#: Returns what the client knows about the end of a stream of a partition.
TailOf = Callable[[int, int], Tail]


def of_states(
    assigned: Iterable[int], runners: Mapping[int, TaskRunner], incomplete: Collection[int] = ()
) -> dict[int, str]:
    """Return the phase of the task of each assigned partition; a task that failed is dropped.

    A task whose partitions are not all assigned to this worker is incomplete.
    """
    states = {each: INCOMPLETE if each in incomplete else TaskPhase.DROPPED.value for each in sorted(assigned)}
    return states | {partition: runner.task.phase.value for partition, runner in runners.items()}


def thresholds(budget: float) -> dict[str, float]:
    """Return the ln R at which a subject is alerted, by family."""
    return {"sellers": log_threshold(budget, SELLER_SLACK), "staff": log_threshold(budget, STAFF_SLACK)}


def of_tasks(
    runners: Mapping[int, TaskRunner], settings: Settings, tail: TailOf, trust: TrustWatch
) -> dict[int, TaskView]:
    """Return the views of the running tasks, by partition number."""
    return {
        partition: _view(runner, settings, tail, trust.reasons(partition))
        for partition, runner in runners.items()
        if runner.task.phase is TaskPhase.RUNNING
    }


def _view(runner: TaskRunner, settings: Settings, tail: TailOf, doubts: Collection[str]) -> TaskView:
    task = runner.task
    detector = task.detector
    lag_records, lag_seconds = _lag(task, settings, tail)
    totals, topics = task.committed_totals, settings.input_topics
    judged = detector.state.aggregator.progress.concluded_through
    no_dead_letters = {f"{topic}/{reason}": 0 for topic in settings.read_topics for reason in Refusal}
    return TaskView(
        counts=totals.counts,
        dead={**no_dead_letters, **totals.dead},
        records=dict(zip(topics, totals.records, strict=True)),
        # Not of the verdicts: people write them, so their silence means nothing.
        last_arrivals={
            topic: runner.last_arrivals[stream]
            for stream, topic in enumerate(settings.marketplace_topics)
            if stream in runner.last_arrivals
        },
        foreign_messages=totals.foreign_messages,
        unknown_fields=task.counts.unknown_fields,
        lag_records=lag_records,
        lag_seconds=lag_seconds,
        families=_families(detector, settings.alert_budget),
        pattern_scores=detector.state.patterns.scores,
        gauges={
            "watermark_timestamp_seconds": max(detector.state.clock, 0.0),
            "at_risk_reviews": len(detector.state.reviews),
            "products": len(detector.state.products),
            "checkpoint_age_seconds": time.monotonic() - runner.checkpointed_at,
            "expected_flips_per_second": detector.state.baseline.flips_per_second(),
            "staff_judged_timestamp_seconds": end_of_day(judged) if judged is not None else 0.0,
            "blocked": float(task.blocked),
        },
        cases=CaseCounts.of(detector.state.cases),
        doubts=doubts,
        schema_wait_seconds={
            topic: runner.schema_wait_seconds(stream)
            for stream, topic in enumerate(topics)
            if settings.input_formats[stream] == "confluent"
        },
    )


def _families(detector: Detector, budget: float) -> dict[str, FamilyView]:
    """Return the views of the task's sellers, and of the staff runners that it aggregates."""
    since = detector.state.clock - YEAR_SECONDS

    def family(alerted: Iterable[dict[str, float]], evidence: list[float], subjects: int) -> FamilyView:
        # The state keeps only the latest alert of each watch. An alert about a product accuses nobody.
        raised = sum(
            at >= since for alerted_at in alerted for kind, at in alerted_at.items() if not kind.startswith("product.")
        )
        return FamilyView(subjects, raised, budget * subjects / 1000, evidence)

    sellers = [seller for seller in detector.state.sellers.values() if seller.has_had_reviews]
    staff = detector.state.aggregator.staff.histories.values()
    return {
        "sellers": family(
            (seller.alerted_at for seller in sellers),
            [max(seller.log_odds) for seller in sellers if seller.log_odds],
            len(sellers),
        ),
        "staff": family(
            (one.alerted_at for one in staff),
            [one.max_log_odds() for one in staff if one.max_log_odds() > -math.inf],
            len(staff),
        ),
    }


def _lag(task: Task, settings: Settings, tail: TailOf) -> tuple[dict[str, int], dict[str, float]]:
    """Return by topic the records that are not applied, and the age of the oldest of them in Kafka."""
    records: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for stream, topic in enumerate(settings.input_topics):
        position, end, *_ = tail(stream, task.partition)
        if position is None or end is None:
            continue
        not_fetched = max(0, end - position)
        records[topic] = not_fetched + task.merge.streams[stream].waiting
        oldest = task.oldest_sent_at(stream) if records[topic] else None
        if oldest is not None or not not_fetched:  # the age of records that are not fetched is unknown
            seconds[topic] = 0.0 if oldest is None else max(0.0, time.time() - oldest)
    return records, seconds
