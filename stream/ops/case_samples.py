"""Metrics of cases: how many there are, what was decided, and which innocent stories were found.

Invariant: gauges of the present cases, so sums over tasks are right whatever worker runs a task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stream.contract.alerts import Severity
from stream.contract.cases import CaseState
from stream.contract.events import Story
from stream.core.cases.alerts import in_force
from stream.core.cases.book import CaseBook
from stream.core.cases.transitions import Outcome
from stream.ops.case_report import judged

#: What an event of a case may do, in the counts of a task.
CASE_OUTCOMES: Final[tuple[str, ...]] = (*get_args(Outcome), "case_unknown")
_STATES: Final = get_args(CaseState)
_SEVERITIES: Final = get_args(Severity)
_STORIES: Final = get_args(Story)


class CaseCounts(NamedTuple):
    """The cases of a task.

    Attributes:
        states: Number of cases by state and severity.
        verdicts: Number of cases by the kind and severity that were judged, and the verdict in force.
        stories: Number of explained cases by story.
        log_losses: Of the order of the queue, by "learned" and "odds"; empty while there are too few verdicts.
    """

    states: Mapping[tuple[str, str], int]
    verdicts: Mapping[tuple[str, str, str], int]
    stories: Mapping[str, int]
    log_losses: Mapping[str, float]

    @classmethod
    def of(cls, book: CaseBook) -> CaseCounts:
        """Count the cases of a task."""
        states, verdicts, stories = Counter[tuple[str, str]](), Counter[tuple[str, str, str]](), Counter[str]()
        for case in book.cases.values():
            states[case.state, case.severity] += 1
            verdict = in_force(case)
            if verdict is not None:
                verdicts[*judged(case, verdict), verdict.verdict] += 1
                if verdict.verdict == "explained":
                    stories[verdict.story or "other"] += 1
        return cls(states, verdicts, stories, book.queue.log_losses())


def samples(counts: Mapping[str, CaseCounts]) -> Iterator[Metric]:
    """Yield the samples of the tasks' cases, by the task's number."""
    cases = GaugeMetricFamily("volteface_cases", "Cases by state", labels=["task", "state", "severity"])
    verdicts = GaugeMetricFamily(
        "volteface_case_verdicts", "Cases by the verdict in force", labels=["task", "kind", "severity", "verdict"]
    )
    stories = GaugeMetricFamily(
        "volteface_explained_cases", "Cases explained by an innocent story", labels=["task", "story"]
    )
    losses = GaugeMetricFamily(
        "volteface_priority_log_loss",
        "Mean log loss over the latest verdicts of the learned probability and of the odds alone; the learned one "
        "orders the queue while it is lower. No sample before there are enough verdicts",
        labels=["task", "model"],
    )
    for task, counted in counts.items():
        for state in _STATES:
            for severity in _SEVERITIES:
                cases.add_metric([task, state, severity], counted.states.get((state, severity), 0))
        for labels, count in sorted(counted.verdicts.items()):
            verdicts.add_metric([task, *labels], count)
        for story in _STORIES:
            stories.add_metric([task, story], counted.stories.get(story, 0))
        for model, loss in counted.log_losses.items():
            losses.add_metric([task, model], loss)
    yield from (cases, verdicts, stories, losses)
