"""Evidence: how much better "began to cheat" explains a subject's flips than the best innocent story.

Rule of this room: arrays in, numbers out, everything in logs; no review, seller or clock is known here. Compiled,
it reckons with plain floats: a subject has a dozen windows, and numpy's calls would cost ten times as much.

For each window that begins at one of the subject's last flips a Bayes factor compares "flips came theta times as
often as expected" (mean over THETAS) with "as expected", the subject's own level being gamma distributed and
learned from its control arms in the window and, at half weight, from its whole past; where a watch does not know
whom a cheat leaves alone, it is the mean over what may be. It is taken against what peers do now (A, itself a count
of their flips and known no better) and against what the band's long run says (H), and the smaller one counts; also
against the rest of the window without a crowd and, where a watch grants it, when its busiest days were a surge
(`excuses`). Retractions speak for themselves in `marks`. The windows' factors, each weighed by the prior chance that
cheating began in the gap before it (one start a year), add up to R: Shiryaev-Roberts (Shiryaev 1963, Roberts 1966;
e-detectors: Shin, Ramdas and Rinaldo 2023), read as the odds that a start lies in the kept past.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from stream.core.bands import ARMS, DAY
from stream.core.bayes import LOG_CASES, log_bayes_factor, log_marks, log_of_sum
from stream.core.excuses import CROWD_PRICE, SURGE_PRICE, Floats, crowds, surges

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


class Verdict(NamedTuple):
    """What one watch says: `log_odds` is ln R; `window` the index of the window that weighs most in it.

    course: of each flip from there on, how many accused flips there were with it since the window began, and how many
    were expected before it.
    """

    log_odds: float
    window: int
    expected: float
    course: list[tuple[float, float]]


class Question(NamedTuple):
    """What a watch asks: of which arms, against which arms of the same subject.

    excused: whether a surge may explain what it sees. known: the number of flips that the level of the accused arms is
    known from at most. spared: accused arms that a cheat may have left alone, by alternative: there they are controls.
    """

    accused: tuple[int, ...]
    controls: tuple[int, ...]
    excused: bool = False
    known: float = math.inf
    spared: tuple[tuple[int, ...], ...] = ()

    def alternatives(self) -> list[Question]:
        """The question itself, and those in which some of the accused arms are controls."""
        return [self._without(arms) for arms in ((), *self.spared)]

    def _without(self, spared: tuple[int, ...]) -> Question:
        accused = tuple([arm for arm in self.accused if arm not in spared])
        return self._replace(accused=accused, controls=self.controls + spared)


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


class Scales:
    """Weighs a subject's history for all watches of a family at once.

    arms: how many the subject has; lifted: those of which more may be expected than their rows say; past: with what
    weight a subject's past tells its level.
    """

    def __init__(self, questions: list[Question], arms: int, lifted: tuple[int, ...], past: float) -> None:
        self.questions = questions
        self.alternatives = [question.alternatives() for question in questions]
        self.arms = arms
        self.past = past
        self.lifted = [story * arms + arm for story in (1, 2) for arm in lifted]
        self.excusable = any(question.excused for question in questions)

    def weigh(
        self,
        history: Floats,
        totals: list[float],
        lift: float,
        retracted: float,
        prior: tuple[float, float],
        per_peer_flip: float,
    ) -> Weights:
        """What each watch makes of a subject, after its latest flip.

        history: (w, LEAD + 4 * arms), 1 <= w <= WINDOWS, the latest last. totals: (4 * arms,), the same after the flip.
        lift: how many times more is expected of lifted arms. retracted: peers' share of retractions. prior: of the
        subject's level, K0 flips where R0 were expected. per_peer_flip: how many flips are expected of the subject for
        each one of its peers; 0 where what is expected was not counted among few.
        """
        rows: list[list[float]] = history.tolist()
        befores = [row[LEAD:] for row in rows]
        befores.append(list(totals))
        if lift != 1.0:
            for before in befores:
                for column in self.lifted:
                    before[column] *= lift
        weights = Weights(self, befores, [row[1] - LOG_CASES for row in rows], retracted, prior, per_peer_flip)
        if max(weights.log_odds) >= 0:  # or else there is nothing to excuse
            weights.excuse(history[:, 0], history[:, 2])
        return weights


class Weights:
    """The outcome: ln R of each watch, and on demand what it rests on.

    befores: (w + 1) x (4 * arms), the totals before each flip and after the latest. starts: log prior of each window.
    """

    def __init__(
        self,
        scales: Scales,
        befores: list[list[float]],
        starts: list[float],
        retracted: float,
        prior: tuple[float, float],
        per_peer_flip: float,
    ) -> None:
        self._scales, self._befores, self._starts = scales, befores, starts
        self._retracted, self._prior, self._per_peer_flip = retracted, prior, per_peer_flip
        #: What a watch makes of each window, by watch.
        self._terms = [self._by_window(watch, None) for watch in range(len(scales.questions))]
        self.log_odds = [log_of_sum(terms) for terms in self._terms]

    def excuse(self, times: Floats, born: Floats) -> None:
        """Take each window's evidence down to what is left of it without a crowd, and without a surge."""
        scales, rows = self._scales, np.array(self._befores)
        crowd: list[list[float]] = crowds(born, rows).tolist()
        surge: list[list[float]] = surges(times, rows).tolist() if scales.excusable else []
        for watch, question in enumerate(scales.questions):
            terms = _smaller(self._terms[watch], self._by_window(watch, crowd), CROWD_PRICE)
            if question.excused:
                terms = _smaller(terms, self._by_window(watch, surge), SURGE_PRICE)
            self._terms[watch] = terms
            self.log_odds[watch] = log_of_sum(terms)

    def _by_window(self, watch: int, without: list[list[float]] | None) -> list[float]:
        """What a watch makes of each window, but for what an excuse takes out of it: the mean over its alternatives."""
        asked, terms = self._scales.alternatives[watch], list[float]()
        cases = math.log(len(asked))
        for window, start in enumerate(self._starts):
            said: list[float] = []
            for question in asked:
                by_peers, by_long_run, marks = self._window(question, window, without)
                said.append(min(by_peers, by_long_run) + marks)
            terms.append(log_of_sum(said) - cases + start)
        return terms

    def _window(self, question: Question, window: int, without: list[list[float]] | None) -> tuple[float, float, float]:
        """Of a window the log of its Bayes factor against what peers do now and against the long run, and its marks."""
        flips, by_peers, by_long_run, gone = self._inside(question.accused, window, without)
        known, known_peers, known_long, _ = self._inside(question.controls, window, without)
        past, past_peers, past_long = self._past(window)
        by_peers, by_long_run = by_peers + E, by_long_run + E
        shape = self._prior[0] + past + known
        peers_rate = self._prior[1] + past_peers + known_peers
        long_rate = self._prior[1] + past_long + known_long
        # Uncertainties add: 1 / flips from which the subject's level is known, that of the accused arms, and what peers
        # have: in this window, and where the level was learned.
        unsure = 1.0 + shape / question.known
        unsure_of_peers = unsure + shape * self._per_peer_flip * (1.0 / by_peers + 1.0 / peers_rate)
        return (
            log_bayes_factor(flips, by_peers, shape / unsure_of_peers, peers_rate / unsure_of_peers),
            log_bayes_factor(flips, by_long_run, shape / unsure, long_rate / unsure),
            log_marks(flips, gone, self._retracted),
        )

    def _inside(
        self, chosen: tuple[int, ...], window: int, without: list[list[float]] | None
    ) -> tuple[float, float, float, float]:
        """What the chosen arms have in a window: flips, expected by peers and by the long run, retracted."""
        arms, before, totals = self._scales.arms, self._befores[window], self._befores[-1]
        flips = by_peers = by_long_run = gone = 0.0
        for arm in chosen:
            flips += totals[arm] - before[arm]
            by_peers += totals[arms + arm] - before[arms + arm]
            by_long_run += totals[2 * arms + arm] - before[2 * arms + arm]
            gone += totals[3 * arms + arm] - before[3 * arms + arm]
        if without is not None:
            excused = without[window]
            for arm in chosen:
                flips -= excused[arm]
                by_peers -= excused[arms + arm]
                by_long_run -= excused[2 * arms + arm]
                gone -= excused[3 * arms + arm]
        return flips, by_peers, by_long_run, gone

    def _past(self, window: int) -> tuple[float, float, float]:
        """What a window's past tells of the level, all arms together: flips, expected by either story."""
        arms, weight, before = self._scales.arms, self._scales.past, self._befores[window]
        flips = by_peers = by_long_run = 0.0
        for arm in range(arms):
            flips += before[arm]
            by_peers += before[arms + arm]
            by_long_run += before[2 * arms + arm]
        return weight * flips, weight * by_peers, weight * by_long_run

    def verdict(self, watch: int) -> Verdict:
        """The window that speaks loudest for a watch; the expectation is that of the story that explains more."""
        question, terms = self._scales.questions[watch], self._terms[watch]
        window = terms.index(max(terms))
        by_peers, by_long_run, _ = self._window(question, window, None)
        story = (1 if by_peers <= by_long_run else 2) * self._scales.arms
        flips = [_total(row, question.accused, 0) for row in self._befores[window:]]
        expected = [_total(row, question.accused, story) for row in self._befores[window:]]
        course, most = list[tuple[float, float]](), 0.0
        for number, after in enumerate(flips[1:]):
            most = max(most, expected[number] - expected[0])  # a sum of many may fall by its last bit
            course.append((after - flips[0], most))
        return Verdict(self.log_odds[watch], window, expected[-1] - expected[0] + E, course)


def _total(row: list[float], arms: tuple[int, ...], first: int) -> float:
    total = 0.0
    for arm in arms:
        total += row[first + arm]
    return total


def _smaller(terms: list[float], excused: list[float], price: float) -> list[float]:
    return [min(term, excused[window] + price) for window, term in enumerate(terms)]
