"""Measured precision: of the cases that people decided, how many they confirmed.

Invariant: pure. A case counts once, by its verdict in force and under the evidence that was judged; one that is
inconclusive is no answer and does not count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, get_args

import msgspec

from stream.contract.alerts import Kind, Severity
from stream.contract.cases import Case, CaseVerdict
from stream.contract.events import Story
from stream.core.cases.alerts import in_force

_SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
_TAIL: Final = 0.05
_HALVINGS: Final = 50


class PrecisionRow(msgspec.Struct, frozen=True):
    """The precision of one kind and severity; None stands for all.

    Attributes:
        precision: confirmed / (confirmed + explained + dismissed); None without such a case.
        low, high: The 90 % interval of the precision, see `interval`.
    """

    kind: str | None
    severity: str | None
    confirmed: int
    explained: int
    dismissed: int
    precision: float | None
    low: float
    high: float


class CaseReport(msgspec.Struct, frozen=True):
    """Measured precision.

    Attributes:
        rows: By kind and severity, then all cases together.
        inconclusive: Cases whose verdict in force is inconclusive.
        undecided: Cases without a verdict in force.
        stories: Explained cases by story; `none_given` for those without one.
    """

    rows: list[PrecisionRow]
    inconclusive: int
    undecided: int
    stories: dict[str, int]


def report(cases: Iterable[Case]) -> CaseReport:
    """Return the precision that the verdicts in force give."""
    answers: Counter[tuple[str, str, str]] = Counter()
    others: Counter[str] = Counter()
    stories = Counter(dict.fromkeys((*get_args(Story), "none_given"), 0))
    for case in cases:
        verdict = in_force(case)
        if verdict is None:
            others["undecided"] += 1
        elif verdict.verdict == "inconclusive":
            others["inconclusive"] += 1
        else:
            answers[*judged(case, verdict), verdict.verdict] += 1
            if verdict.verdict == "explained":
                stories[verdict.story or "none_given"] += 1
    groups = sorted({(kind, severity) for kind, severity, _ in answers}, key=lambda one: (one[0], _rank(one[1])))
    rows = [_row(answers, kind, severity) for kind, severity in groups]
    return CaseReport([*rows, _row(answers)], others["inconclusive"], others["undecided"], dict(stories))


def judged(case: Case, verdict: CaseVerdict) -> tuple[Kind, Severity]:
    """Return the kind and severity that a verdict was about; of a verdict that did not keep them, those of its case."""
    return verdict.kind or case.kind, verdict.severity or case.severity


def _rank(severity: str) -> int:
    return -_SEVERITIES.index(severity)


def _row(answers: Counter[tuple[str, str, str]], kind: str | None = None, severity: str | None = None) -> PrecisionRow:
    counts: Counter[str] = Counter()
    for (one, other, verdict), count in answers.items():
        if kind in {None, one} and severity in {None, other}:
            counts[verdict] += count
    confirmed, total = counts["confirmed"], counts.total()
    precision = confirmed / total if total else None
    row = kind, severity, confirmed, counts["explained"], counts["dismissed"], precision
    return PrecisionRow(*row, *interval(confirmed, total))


def interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 90 % interval of a share from a uniform prior: quantiles of Beta(1 + hits, 1 + count - hits)."""
    return _quantile(_TAIL, hits, count), _quantile(1 - _TAIL, hits, count)


def _quantile(probability: float, hits: int, count: int) -> float:
    """Return the share below which the beta distribution has this probability, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _beta_distribution(middle, hits, count) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_distribution(share: float, hits: int, count: int) -> float:
    """Return P(X <= share) for X of Beta(1 + hits, 1 + count - hits).

    For whole numbers it is a binomial sum: the chance of more than `hits` in `count + 1` trials (DLMF 8.17.5).
    """
    trials, log_share, log_rest = count + 1, math.log(share), math.log1p(-share)
    log_all = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(log_all - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_share + (trials - k) * log_rest)
        for k in range(hits + 1, trials + 1)
    )
