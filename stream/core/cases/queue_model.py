"""What verdicts on a task's sellers teach about the order of its queue.

Invariant: a function of the sellers' cases and verdicts, in order of event time. Staff keep the odds' order: verdicts
on them come from other tasks, between other events than in a replay. The learned probability is used only while it has
predicted the latest verdicts better than the odds alone, each before it was learned from.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from stream.contract.cases import Case
from stream.contract.events import Verdict
from stream.core.cases.alerts import in_force
from stream.core.cases.features import features_of
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.sums import total

if TYPE_CHECKING:
    from stream.core.cases.linear_models import VerdictRegressions

#: What a verdict teaches; an inconclusive one teaches nothing.
_TAUGHT: Final[dict[Verdict, bool]] = {"confirmed": True, "explained": False, "dismissed": False}
#: The models are compared over so many of the latest verdicts, and not before there are as many. Ten verdicts are then
#: at most a fifth of what is compared; with a minimum of 30, ten after 20 others turned the order of the queue.
COMPARED_VERDICTS: Final = 50
#: The models are not compared while fewer of these verdicts confirm, or fewer do not.
MIN_OF_EACH: Final = 5


class QueueModelRow(msgspec.Struct, array_like=True, gc=False):
    """The state row of what was learned.

    Attributes:
        answers: The latest COMPARED_VERDICTS verdicts: whether confirmed, and the log losses of the probabilities by
            the odds alone and by all features, from before the verdict.
        count: The number of verdicts learned from.
        level, slope: Of the log odds by the odds alone.
        features: Count, mean, variance and weight of each feature.
    """

    version: int
    answers: list[tuple[bool, float, float]]
    count: int
    level: float
    slope: float
    features: dict[str, tuple[int, float, float, float]]


class QueueModel:
    """Learns the probability that a seller's case is confirmed.

    Attributes:
        changed: Names of the rows that have changed since they were last written: "", the only one.
    """

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self._answers: list[tuple[bool, float, float]] = []
        self._regressions: VerdictRegressions | None = None

    def learn(self, case: Case, verdict: Verdict) -> None:
        """Learn from a verdict that came into force.

        Args:
            case: As it was before. The first verdict on it, and one after further evidence or an appeal, is also
                compared with the predictions. A correction of a decided case is only learned from, so that the same
                case answered to and fro is not a number of verdicts.
            verdict: The verdict.
        """
        confirmed = _TAUGHT.get(verdict) if case.subject.type == "seller" else None
        before = in_force(case)
        corrected = _TAUGHT.get(before.verdict) if before is not None and case.state == "decided" else None
        if confirmed is None or confirmed is corrected:
            return
        features, regressions = features_of(case), self._get_regressions()
        if corrected is None:
            by_odds, by_all = regressions.log_odds(features)
            answer = confirmed, _log_loss(by_odds, confirmed), _log_loss(by_all, confirmed)
            self._answers = [*self._answers, answer][-COMPARED_VERDICTS:]
        regressions.learn(features, confirmed)
        self.changed.add("")

    def probability(self, case: Case) -> float | None:
        """Return the learned probability that a seller's case is confirmed.

        None for staff, and while the odds alone are as good.
        """
        losses = self.log_losses() if case.subject.type == "seller" else {}
        if not losses or losses["learned"] >= losses["odds"]:
            return None
        return 1.0 / (1.0 + math.exp(-self._get_regressions().log_odds(features_of(case))[1]))

    def log_losses(self) -> dict[str, float]:
        """Return the mean log loss of "learned" and "odds" over the latest verdicts; empty while these are too few."""
        count = len(self._answers)
        confirmed = len([answer for answer in self._answers if answer[0]])
        if count < COMPARED_VERDICTS or min(confirmed, count - confirmed) < MIN_OF_EACH:
            return {}
        return {
            "learned": total(by_all for _, _, by_all in self._answers) / count,
            "odds": total(by_odds for _, by_odds, _ in self._answers) / count,
        }

    def names(self) -> list[str]:
        """Return the names of the existing rows."""
        return [] if self._regressions is None else [""]

    def row(self, _: str) -> bytes:
        """Return the state row."""
        return encode(QueueModelRow(ROW_VERSION, self._answers, *self._get_regressions().state()))

    def load(self, _: str, value: bytes) -> None:
        """Restore the model from its state row; raise StateError if the row cannot be read."""
        row = decode(value, QueueModelRow)
        self._answers = row.answers
        self._get_regressions().restore(row.count, row.level, row.slope, row.features)

    def _get_regressions(self) -> VerdictRegressions:
        if self._regressions is None:
            from stream.core.cases.linear_models import VerdictRegressions  # noqa: PLC0415  # see there

            self._regressions = VerdictRegressions()
        return self._regressions


def _log_loss(log_odds: float, confirmed: bool) -> float:
    """Return minus the log of the probability that was given to the answer."""
    against = -log_odds if confirmed else log_odds
    return math.log1p(math.exp(-abs(against))) + max(against, 0.0)
