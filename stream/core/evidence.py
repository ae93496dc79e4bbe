"""Evidence: how much better "began to cheat" explains a subject's flips than the best innocent story.

Rule of this room: arrays in, numbers out, everything in logs; no review, seller or clock is known here.

For each window that begins at one of the subject's last flips a Bayes factor compares "flips came theta times as
often as expected" (mean over THETAS) with "as expected", the subject's own level being gamma distributed and
learned from its control arms in the window and, at half weight, from its whole past. It is taken against what peers
do now (A) and against what the band's long run says (H), and the smaller one counts; also against the rest of the
window without a crowd and, where a watch grants it, when its busiest days were a surge (`excuses`). Retractions speak
for themselves in `marks`. The windows' factors, each weighed by the prior chance that cheating began in the gap before
it (one start a year), add up to R: Shiryaev-Roberts (Shiryaev 1963, Roberts 1966; e-detectors: Shin, Ramdas and
Rinaldo 2023), read as the odds that a start lies in the kept past.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from stream.core.bands import ARMS, DAY
from stream.core.excuses import CROWD_PRICE, SURGE_PRICE, Floats, crowds, surges

#: How many times more flips a cheat may have; the mean over them needs no guess.
THETAS: Final = (2.0, 3.0, 5.0, 10.0, 20.0)
#: How many times more of the flips may be retractions.
DELTAS: Final = (1.0, 2.0, 4.0)
#: Expected flips added to every window: a norm is itself a count of few flips.
E: Final = 0.3
#: Windows kept: the bound on a subject's history.
WINDOWS: Final = 60
YEAR_SECONDS: Final = 365 * DAY

#: Columns of a history row: time, log of the prior chance that cheating began in the gap before it, when the review was
#: born, then the totals *before* that flip, ARMS columns each: flips, expected by peers, by the long run, retracted.
LEAD: Final = 3
COLUMNS: Final = LEAD + 4 * ARMS
EMPTY: Final[Floats] = np.zeros((0, COLUMNS))
#: The same of subjects that have one arm only: staff, for what they look up and for what they remove.
STAFF_COLUMNS: Final = LEAD + 4
STAFF_EMPTY: Final[Floats] = np.zeros((0, STAFF_COLUMNS))

#: Shaped so that they run along the first axis, before windows and columns. 1 stands for "as expected".
_THETAS: Final = np.array((1.0, *THETAS))[:, None, None]
_LOG_THETAS: Final = np.log(_THETAS[1:])
_DELTAS: Final = np.array(DELTAS[1:])
_LOG_DELTAS: Final = np.log(_DELTAS)[:, None, None]
_MEANS: Final = math.log(len(THETAS) * len(DELTAS))


class Verdict(NamedTuple):
    """What one watch says: `log_odds` is ln R; `window` the index of the window that weighs most in it.

    course: of each flip from there on, how many accused flips there were with it since the window began, and how many
    were expected before it.
    """

    log_odds: float
    window: int
    expected: float
    course: list[tuple[float, float]]


def appended(history: Floats, row: list[float]) -> Floats:
    """A history with one row more; beyond WINDOWS the oldest goes."""
    kept = history[-WINDOWS + 1 :]
    grown = np.empty((len(kept) + 1, history.shape[1]))
    grown[:-1] = kept
    grown[-1] = row
    return grown


def log_prior(gap_seconds: float) -> float:
    """Log of the chance of a start within the gap before a flip.

    1 - exp(-gap / year), not gap / year: a silence of years does not count as several starts.
    """
    return math.log(-math.expm1(-max(gap_seconds, 1.0) / YEAR_SECONDS))


def lifted(history: Floats, totals: Floats, columns: list[int], lift: float) -> tuple[Floats, Floats]:
    """The same with what is expected in some columns of the totals multiplied."""
    if lift == 1.0:
        return history, totals
    factors = np.ones(history.shape[1])
    factors[[LEAD + column for column in columns]] = lift
    return history * factors, totals * factors[LEAD:]


class Scales:
    """Weighs a subject's history for all watches of a family at once.

    accused, controls: (arms, watches), 1 where the watch takes the arm; excused: (watches,), whether a surge may
    explain what it sees; known: (watches,), the number of flips that the level of the accused arms is known from at
    most; past: with what weight a subject's past tells its level. The two innocent stories lie side by side in the
    columns (each watch by peers, then each watch by the long run), and numpy is called as seldom as can be: its calls,
    not its sums, are the dearest part of a flip.
    """

    def __init__(self, accused: Floats, controls: Floats, excused: Floats, known: Floats, past: float) -> None:
        self.excused = np.flatnonzero(excused).tolist()
        #: What a surge costs a watch; it can pay no price that is infinite.
        self.price = np.where(excused, SURGE_PRICE, np.inf)
        #: Uncertainties add: 1 / flips that are known from, for both stories.
        self.doubt = np.tile(1 / known, 2)
        arms, self.watches = accused.shape
        self.columns = columns = 2 * self.watches
        none = np.zeros((arms, columns))
        by_peers, by_long_run = np.zeros((arms, columns)), np.zeros((arms, columns))
        by_peers[:, : self.watches] = by_long_run[:, self.watches :] = 1
        accused, controls, every = np.tile(accused, 2), np.tile(controls, 2), np.ones((arms, columns))

        def expected(chosen: Floats) -> Floats:
            return np.vstack((none, by_peers * chosen, by_long_run * chosen, none))

        # Rows as in `totals`: flips, expected by peers, expected by the long run, retracted; one for each arm.
        def flips(chosen: Floats) -> Floats:
            return np.vstack((chosen, none, none, none))

        retracted = np.vstack((none, none, none, accused))
        self.inside = np.hstack((flips(accused), expected(accused), flips(controls), expected(controls), retracted))
        self.before = past * np.hstack((flips(every), expected(every)))

    def weigh(self, history: Floats, totals: Floats, retracted: float, prior: tuple[float, float]) -> Weights:
        """What each watch makes of a subject, after its latest flip.

        history: (w, LEAD + 4 * arms), 1 <= w <= WINDOWS, the latest last. totals: (4 * arms,), the same after the flip.
        retracted: peers' share of retractions. prior: of the subject's level, K0 flips where R0 were expected.
        """
        before = history[:, LEAD:]
        level = before @ self.before + np.repeat(prior, self.columns)
        inside = totals - before
        starts = history[:, 1:2] - _MEANS
        sums, factors, terms = self._terms(inside, level, retracted)
        weights = Weights(self, sums, factors, terms + starts)
        if max(weights.log_odds) < 0:
            return weights  # nothing to excuse
        rows, times, born = np.vstack((before, totals)), history[:, 0], history[:, 2]
        _, _, rest = self._terms(inside - crowds(born, rows), level, retracted)
        terms = np.minimum(terms, rest + CROWD_PRICE)
        if self.excused:
            _, _, rest = self._terms(inside - surges(times, rows), level, retracted)
            terms = np.minimum(terms, rest + self.price)
        return Weights(self, sums, factors, terms + starts)

    def _terms(self, inside: Floats, level: Floats, retracted: float) -> tuple[Floats, Floats, Floats]:
        """Of each window what is in it by column, the factors of both stories, and what a watch makes of them."""
        columns, watches = self.columns, self.watches
        sums = inside @ self.inside
        level = level + sums[:, 2 * columns : 4 * columns]
        flips, gone = sums[:, :columns], sums[:, 4 * columns :]
        shape, rate = level[:, :columns], level[:, columns:]
        doubted = 1 + self.doubt * shape
        factors = _log_bayes_factors(flips, sums[:, columns : 2 * columns] + E, shape / doubted, rate / doubted)
        terms = np.minimum(factors[:, :watches], factors[:, watches:])
        terms += _log_marks(flips[:, :watches], gone[:, :watches], retracted)
        return sums, factors, terms


class Weights:
    """The outcome: ln R of each watch, and on demand what it rests on."""

    def __init__(self, scales: Scales, inside: Floats, factors: Floats, terms: Floats) -> None:
        top = terms.max(axis=0)
        self.log_odds: list[float] = (top + np.log(np.add.reduce(np.exp(terms - top)))).tolist()
        self._scales, self._inside, self._factors, self._terms = scales, inside, factors, terms

    def verdict(self, watch: int) -> Verdict:
        """The window that speaks loudest for a watch; the expectation is that of the story that explains more."""
        window = int(self._terms[:, watch].argmax())
        by_peers, by_long_run = self._factors[window, watch], self._factors[window, watch + self._scales.watches]
        story = watch if by_peers <= by_long_run else watch + self._scales.watches
        inside, columns = self._inside, self._scales.columns
        flips, expected = inside[:, story], inside[:, columns + story]
        with_it = flips[window] - np.append(flips[window + 1 :], 0.0)
        before_it = expected[window] - expected[window:]
        course = list(zip(with_it.tolist(), before_it.tolist(), strict=True))
        return Verdict(self.log_odds[watch], window, float(expected[window] + E), course)


def _log_bayes_factors(flips: Floats, expected: Floats, shape: Floats, rate: Floats) -> Floats:
    """Log of the sum over THETAS of theta^n ((r + a) / (r + theta a))^(k + n), the gamma-Poisson ratio.

    Taken relative to the first theta: with n <= WINDOWS no exponent exceeds 60 ln 10, and what falls below it by
    more than a float can tell adds nothing.
    """
    logs = _THETAS * expected
    logs += rate
    np.log(logs, out=logs)
    spread = logs[1:] - logs[0]
    spread *= shape + flips
    np.subtract(_LOG_THETAS * flips, spread, out=spread)
    first = spread[0]
    out: Floats = first + np.log1p(np.add.reduce(np.exp(spread[1:] - first)))
    return out


def _log_marks(flips: Floats, gone: Floats, retracted: float) -> Floats:
    """Log of the sum over DELTAS of the likelihood ratio "delta times as many of the flips are retractions"."""
    logs = _LOG_DELTAS * gone
    logs -= np.log1p((_DELTAS - 1) * retracted)[:, None, None] * flips
    out: Floats = np.log1p(np.add.reduce(np.exp(logs)))
    return out
