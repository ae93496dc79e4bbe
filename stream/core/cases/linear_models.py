"""Two of river's logistic regressions that learn from verdicts: over the odds alone, and over all features.

Invariant: the models are river's own classes, and their state is plain numbers by feature. The losses of river need
`scipy.special`, which adds 0.3 s to a start, so this module is imported at a task's first verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from river import optim

from stream.core.cases.features import LOG_ODDS
from stream.core.model.sums import total
from stream.core.subjects.river_models import packages_not_run

with packages_not_run("river.linear_model", "river.preprocessing"):
    import river.linear_model.base  # noqa: F401  # the next import needs it as an attribute of its package
    from river.linear_model.log_reg import LogisticRegression
    from river.preprocessing.scale import StandardScaler

#: The step of verdict n is this over the square root of n: with 30 verdicts 0.04, with 100 verdicts 0.02.
_FIRST_STEP: Final = 0.2
#: The prior of a weight: normal around 0 with a standard deviation of 1, spread over the first 33 verdicts.
_L2: Final = 0.03
#: A feature counts at most this many standard deviations from its mean.
_MAX_DEVIATION: Final = 3.0
#: Count, mean and variance of a feature, and its weight.
Learned = tuple[int, float, float, float]


def _regression(l2: float, intercept_step: Any) -> Any:
    return LogisticRegression(optimizer=optim.SGD(_step()), intercept_lr=intercept_step, l2=l2)


def _step() -> Any:
    return optim.schedulers.InverseScaling(_FIRST_STEP, 0.5)


class VerdictRegressions:
    """Learn the log odds that a case is confirmed.

    The log odds by the odds alone are a level and a slope times ln R. What is learned of the other features, and how
    the slope changes beside them, is added to that. A weight of 0 therefore leaves the odds alone, and the prior (L2)
    holds the weights there until many verdicts agree.
    """

    def __init__(self) -> None:
        self._scaler = StandardScaler()
        self._odds = _regression(0.0, _step())
        # The intercept is the log odds by the odds alone, set for each case.
        self._all = _regression(_L2, 0.0)

    def log_odds(self, features: Mapping[str, float]) -> tuple[float, float]:
        """Return the log odds by the odds alone, and by all features."""
        scaled = self._scaled(features)
        by_odds = self._by_odds(scaled)
        return by_odds, by_odds + _dot(self._all.weights, scaled)

    def learn(self, features: Mapping[str, float], confirmed: bool) -> None:
        """Learn from a verdict."""
        self._scaler.learn_one(features)
        scaled = self._scaled(features)
        self._all.intercept = self._by_odds(scaled)
        self._all.learn_one(scaled, confirmed)
        self._odds.learn_one({LOG_ODDS: scaled[LOG_ODDS]}, confirmed)

    def state(self) -> tuple[int, float, float, dict[str, Learned]]:
        """Return the number of verdicts, level and slope of the odds alone, and what is learned of each feature."""
        weights, scaler = self._all.weights, self._scaler
        found = {name: (scaler.counts[name], scaler.means[name], scaler.vars[name], weights[name]) for name in weights}
        return self._all.optimizer.n_iterations, self._odds.intercept, self._odds.weights.get(LOG_ODDS, 0.0), found

    def restore(self, count: int, level: float, slope: float, learned: Mapping[str, Learned]) -> None:
        """Continue from what `state` returned."""
        for name, (seen, mean, variance, weight) in learned.items():
            self._scaler.counts[name], self._scaler.means[name], self._scaler.vars[name] = seen, mean, variance
            self._all._weights[name] = weight
        self._odds._weights[LOG_ODDS], self._odds.intercept = slope, level
        self._odds.optimizer.n_iterations = self._all.optimizer.n_iterations = count

    def _by_odds(self, scaled: Mapping[str, float]) -> float:
        return float(self._odds.intercept) + _dot(self._odds.weights, scaled)

    def _scaled(self, features: Mapping[str, float]) -> dict[str, float]:
        scaled = self._scaler.transform_one(features)
        return {name: min(max(value, -_MAX_DEVIATION), _MAX_DEVIATION) for name, value in scaled.items()}


def _dot(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    return total(weight * values.get(name, 0.0) for name, weight in weights.items())
