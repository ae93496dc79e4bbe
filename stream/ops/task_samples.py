"""Samples of a worker's tasks, taken when Prometheus scrapes.

Invariant: a counter here is the total of a task's committed state, whichever worker holds the task. A rebalance changes
no total, so `max by (task)` comes before `increase`: the recording rules do it. Only the count of unknown fields begins
again at each restore. The event path counts integers and makes no samples.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily

from stream.ops import case_samples
from stream.ops.case_samples import CASE_OUTCOMES, CaseCounts
from stream.ops.trust import REASONS

_QUANTILES: Final = (0.5, 0.9, 0.99, 1.0)
#: The state of a task that lacks partitions: another member of the group has them.
INCOMPLETE: Final = "incomplete"
_STATES: Final = ("new", "restoring", "running", "dropped", INCOMPLETE)


class _Total(NamedTuple):
    """A counter of a task's state; its label tells apart the counts of `names`, exposed from zero on."""

    name: str
    text: str
    label: str
    names: tuple[str, ...]


_TOTALS: Final = (
    _Total("events", "Events by outcome; each event has one", "outcome", ("applied", "duplicate")),
    _Total("case_events", "Events of cases by outcome", "outcome", CASE_OUTCOMES),
    _Total("flips", "Flips by kind", "kind", ("upgraded", "retracted")),
    _Total(
        "closed_reviews",
        "Reviews that left the risk set without a flip: removed by the platform, followed for two years, of a bomb",
        "reason",
        ("removed", "retired", "bombed"),
    ),
)
#: The counts that have a metric of their own. All others are kinds of exceptional events.
_OWN: Final = {"late", "alerts", *(name for total in _TOTALS for name in total.names)}
_GAUGES: Final = {
    "watermark_timestamp_seconds": "Latest event time applied",
    "at_risk_reviews": "Open critical reviews",
    "products": "Known products",
    "checkpoint_age_seconds": "Time since the last checkpoint",
    "expected_flips_per_second": "Flips per second of event time that the long-run rates expect of all reviews at risk",
    "staff_judged_timestamp_seconds": "Event time up to which all tasks have reported and staff were evaluated",
    "blocked": "1 while the task waits until other tasks have announced more days",
}

#: Gauges of each family of subjects (sellers, staff): fields of FamilyView.
_BY_FAMILY: Final = {
    "subjects": "Known subjects",
    "alerts_past_year": "Alerts about them in the last 365 days of event time",
    "alerts_allowed_per_year": "False alarms that the budget allows for the known subjects",
}


class FamilyView(NamedTuple):
    """One family of a task's subjects; `evidence` has the largest ln R of each."""

    subjects: int
    alerts_past_year: int
    alerts_allowed_per_year: float
    evidence: Sequence[float]


class TaskView(NamedTuple):
    """What the metrics read of a running task."""

    counts: Mapping[str, int]
    #: Dead letters by "topic/reason".
    dead: Mapping[str, int]
    foreign_messages: int
    unknown_fields: int
    #: By topic, the offsets that are done, and when records last arrived (epoch seconds).
    records: Mapping[str, int]
    last_arrivals: Mapping[str, float]
    #: By topic.
    lag_records: Mapping[str, int]
    lag_seconds: Mapping[str, float]
    families: Mapping[str, FamilyView]
    #: Histogram of pattern scores: the number of flips in each of equal parts of [0, 1].
    pattern_scores: Sequence[int]
    #: By the names of _GAUGES.
    gauges: Mapping[str, float]
    cases: CaseCounts
    #: By topic whose values name a schema: for how long its next record has waited for its schema.
    schema_wait_seconds: Mapping[str, float] = {}
    #: Of trust.REASONS, why the outcome cannot be trusted.
    doubts: Collection[str] = ()


def samples(
    views: Mapping[int, TaskView], states: Mapping[int, str], stopped_lag: Mapping[int, Mapping[str, int]]
) -> Iterator[Metric]:
    """Yield the samples of the running tasks, the lag of others, and the number of tasks by state.

    Args:
        views: The running tasks by partition number.
        states: The phase of every task by partition number.
        stopped_lag: The lag in records, by task and topic, of tasks that do not run.
    """
    number = Counter(states.values())
    tasks = GaugeMetricFamily("volteface_tasks", "Tasks of this worker by state", labels=["state"])
    for state in _STATES:
        tasks.add_metric([state], number[state])
    named = {str(partition): view for partition, view in sorted(views.items())}
    yield tasks
    yield from _totals(named)
    yield from _input(named, {str(partition): lag for partition, lag in sorted(stopped_lag.items())})
    yield from _subjects(named)
    yield from case_samples.samples({task: view.cases for task, view in named.items()})
    yield _doubtful(named)


def _doubtful(views: Mapping[str, TaskView]) -> Metric:
    text = "1 while the outcome cannot be trusted for this reason"
    doubtful = GaugeMetricFamily("volteface_trust_doubtful", text, labels=["task", "reason"])
    for task, view in views.items():
        for reason in REASONS:
            doubtful.add_metric([task, reason], reason in view.doubts)
    return doubtful


def _totals(views: Mapping[str, TaskView]) -> Iterator[Metric]:
    for total in _TOTALS:
        family = CounterMetricFamily(f"volteface_{total.name}", total.text, labels=["task", total.label])
        for task, view in views.items():
            for name in total.names:
                family.add_metric([task, name], view.counts.get(name, 0))
        yield family
    late = CounterMetricFamily(
        "volteface_late_events", "Applied events that came later than the allowed lateness", labels=["task"]
    )
    exceptional = CounterMetricFamily(
        "volteface_exceptional_events", "Applied events with something unusual, by kind", labels=["task", "kind"]
    )
    dead = CounterMetricFamily("volteface_dead_letters", "Records refused", labels=["task", "topic", "reason"])
    unknown = CounterMetricFamily(
        "volteface_unknown_field_events", "Applied events with unknown fields", labels=["task"]
    )
    foreign = CounterMetricFamily(
        "volteface_foreign_messages",
        "Messages of other applications that share the evidence topic; they are passed over",
        labels=["task"],
    )
    for task, view in views.items():
        foreign.add_metric([task], view.foreign_messages)
        late.add_metric([task], view.counts.get("late", 0))
        for kind in sorted(view.counts.keys() - _OWN):
            exceptional.add_metric([task, kind], view.counts[kind])
        for where, count in view.dead.items():
            dead.add_metric([task, *where.rsplit("/", 1)], count)
        unknown.add_metric([task], view.unknown_fields)
    yield from (late, exceptional, dead, foreign, unknown)


def _input(views: Mapping[str, TaskView], stopped_lag: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    labels = ["task", "topic"]
    records = CounterMetricFamily("volteface_records", "Records done: the number of offsets", labels=labels)
    yield _by_topic(records, {task: view.records for task, view in views.items()})
    arrived = GaugeMetricFamily(
        "volteface_last_record_timestamp_seconds",
        "When the task last received records; no sample before it received any from this worker",
        labels=labels,
    )
    yield _by_topic(arrived, {task: view.last_arrivals for task, view in views.items()})
    lag = GaugeMetricFamily("volteface_lag_records", "Records not yet applied", labels=labels)
    # Alerts and panels about lag would not show what waits for a task that does not run.
    yield _by_topic(lag, {**stopped_lag, **{task: view.lag_records for task, view in views.items()}})
    behind = GaugeMetricFamily("volteface_lag_seconds", "Age of the oldest of them", labels=labels)
    yield _by_topic(behind, {task: view.lag_seconds for task, view in views.items()})
    schema_wait = GaugeMetricFamily(
        "volteface_schema_wait_seconds", "For how long the next record has waited for its schema", labels=labels
    )
    yield _by_topic(schema_wait, {task: view.schema_wait_seconds for task, view in views.items()})


def _by_topic(
    family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, Mapping[str, float]]
) -> CounterMetricFamily | GaugeMetricFamily:
    for task, by_topic in values.items():
        for topic, value in by_topic.items():
            family.add_metric([task, topic], value)
    return family


def _subjects(views: Mapping[str, TaskView]) -> Iterator[Metric]:
    # Without a type: only a summary may have the label `quantile`, and a summary's values may not be negative.
    evidence = UnknownMetricFamily(
        "volteface_evidence_log_odds", "ln R of the subjects, by quantile", labels=["task", "family", "quantile"]
    )
    scores = UnknownMetricFamily(
        "volteface_pattern_score", "HalfSpaceTrees' score of the flips so far, by quantile", labels=["task", "quantile"]
    )
    gauges = {name: GaugeMetricFamily(f"volteface_{name}", text, labels=["task"]) for name, text in _GAUGES.items()}
    by_family = {
        name: GaugeMetricFamily(f"volteface_{name}", text, labels=["task", "family"])
        for name, text in _BY_FAMILY.items()
    }
    for task, view in views.items():
        for family, subjects in view.families.items():
            ranked = sorted(subjects.evidence)
            for quantile in _QUANTILES if ranked else ():
                evidence.add_metric([task, family, str(quantile)], ranked[math.ceil(quantile * len(ranked)) - 1])
            for name, gauge in by_family.items():
                gauge.add_metric([task, family], getattr(subjects, name))
        for quantile, score in _of_histogram(view.pattern_scores):
            scores.add_metric([task, str(quantile)], score)
        for name, value in view.gauges.items():
            gauges[name].add_metric([task], value)
    yield from (evidence, scores, *by_family.values(), *gauges.values())


def _of_histogram(counts: Sequence[int]) -> Iterator[tuple[float, float]]:
    """Yield the quantiles of a histogram over [0, 1]: the upper ends of their bins; none for an empty histogram."""
    running = list(accumulate(counts))
    if running and running[-1]:
        for quantile in _QUANTILES:
            yield quantile, (bisect_left(running, quantile * running[-1]) + 1) / len(counts)
