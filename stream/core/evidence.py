"""Evidence: how much better "began to cheat" explains a subject's flips than the best innocent story.

Rule of this room: arrays in, numbers out, everything in logs; no review, seller or clock is known here. Compiled,
it reckons with packed floats (mypyc's `vec`, an array of C doubles): a subject has a few dozen windows at most, and
numpy's calls would cost as much as all of it.

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

from librt.vecs import append, extend, vec
from mypy_extensions import i64

from stream.core.bayes import LOG_CASES, log_add, log_bayes_factor, log_kept, log_marks, log_of_sum
from stream.core.excuses import CROWD_PRICE, SURGE_PRICE, column, crowds, surges
from stream.core.past import LEAD
from stream.core.questions import Arms, Question

#: Expected flips added to every window: a norm is itself a count of few flips.
E: Final = 0.3


class Verdict(NamedTuple):
    """What one watch says: `log_odds` is ln R; `window` the index of the window that weighs most in it.

    course: of each flip from there on, how many accused flips there were with it since the window began, and how many
    were expected before it.
    """

    log_odds: float
    window: int
    expected: float
    course: list[tuple[float, float]]


class Known(NamedTuple):
    """What is known before a subject is weighed.

    prior_flips, prior_expected: of its level, as if so many flips had been seen where so many were expected. retracted:
    peers' share of retractions. lift: how many times more is expected of lifted arms. per_peer_flip: how many flips are
    expected of the subject for each one of its peers; 0 where what is expected was not counted among few.
    """

    prior_flips: float
    prior_expected: float
    retracted: float
    lift: float = 1.0
    per_peer_flip: float = 0.0


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
        self.lifted = vec[i64]([story * arms + arm for story in (1, 2) for arm in lifted])

    def weigh(self, history: vec[float], totals: list[float], known: Known) -> Weights:
        """What each watch makes of a subject, after its latest flip.

        history: w rows of LEAD + 4 * arms, 1 <= w <= WINDOWS, the latest last. totals: (4 * arms,), the same after the
        flip.
        """
        arms: i64 = self.arms
        width: i64 = 4 * arms
        befores, starts = vec[float](), vec[float]()
        for row in range(0, len(history), LEAD + width):
            starts = append(starts, history[row + 1])
            befores = extend(befores, history[row + LEAD : row + LEAD + width])
        befores = extend(befores, totals)
        if known.lift != 1.0:
            for row in range(0, len(befores), width):
                for cell in self.lifted:
                    befores[row + cell] *= known.lift
        weights = Weights(self, befores, starts, known)
        if max(weights.log_odds) >= 0:  # or else there is nothing to excuse
            times, born = column(history, LEAD + width, 0), column(history, LEAD + width, 2)
            weights.excuse(crowds(born, befores, arms), surges(times, befores, arms))
        return weights


class Weights:
    """The outcome: ln R of each watch, and on demand what it rests on.

    befores: (w + 1) rows of 4 * arms, the totals before each flip and after the latest. starts: log prior of each
    window.
    """

    def __init__(self, scales: Scales, befores: vec[float], starts: vec[float], known: Known) -> None:
        self._questions, self._alternatives = scales.questions, scales.alternatives
        self._arms: i64 = scales.arms
        self._befores, self._starts = befores, starts
        self._latest: i64 = len(befores) - 4 * self._arms
        self._prior_flips, self._prior_expected = known.prior_flips, known.prior_expected
        self._kept, self._per_peer_flip = log_kept(known.retracted), known.per_peer_flip
        #: What a window's past tells of the level, all arms together: flips, expected by peers and by the long run.
        self._pasts = self._told_before(scales.past)
        #: What a watch makes of each window, by watch.
        self._terms = [self._by_window(watch, vec[float]()) for watch in range(len(scales.questions))]
        self.log_odds = [log_of_sum(terms) for terms in self._terms]

    def excuse(self, crowd: vec[float], surge: vec[float]) -> None:
        """Take each window's evidence down to what is left of it without a crowd, and without a surge.

        What an excuse takes out of each window: w rows of 4 * arms.
        """
        for watch, question in enumerate(self._questions):
            terms = _smaller(self._terms[watch], self._by_window(watch, crowd), CROWD_PRICE)
            if question.excused:
                terms = _smaller(terms, self._by_window(watch, surge), SURGE_PRICE)
            self._terms[watch] = terms
            self.log_odds[watch] = log_of_sum(terms)

    def _told_before(self, weight: float) -> vec[float]:
        arms, told = self._arms, vec[float]()
        for window in range(len(self._starts)):
            for kind in range(window * 4 * arms, window * 4 * arms + 3 * arms, arms):
                total = 0.0
                for cell in range(kind, kind + arms):
                    total += self._befores[cell]
                told = append(told, weight * total)
        return told

    def _by_window(self, watch: int, without: vec[float]) -> vec[float]:
        """What a watch makes of each window, but for what an excuse takes out of it: the mean over its alternatives."""
        alternatives, terms = self._alternatives[watch], vec[float]()
        cases = math.log(len(alternatives)) + LOG_CASES
        for window in range(len(self._starts)):
            said = -math.inf
            for asked in alternatives:
                by_peers, by_long_run, marks = self._window(asked, window, without)
                said = log_add(said, marks + (by_peers if by_peers < by_long_run else by_long_run))
            terms = append(terms, said - cases + self._starts[window])
        return terms

    def _window(self, asked: Arms, window: i64, without: vec[float]) -> tuple[float, float, float]:
        """Of a window the log of its Bayes factor against what peers do now and against the long run, and its marks."""
        flips, by_peers, by_long_run, gone = self._inside(asked.accused, window, without)
        known, known_peers, known_long, _ = self._inside(asked.controls, window, without)
        past, pasts = 3 * window, self._pasts
        by_peers, by_long_run = by_peers + E, by_long_run + E
        shape = self._prior_flips + pasts[past] + known
        peers_rate = self._prior_expected + pasts[past + 1] + known_peers
        long_rate = self._prior_expected + pasts[past + 2] + known_long
        # Uncertainties add: 1 / flips from which the subject's level is known, that of the accused arms, and what peers
        # have: in this window, and where the level was learned.
        unsure = 1.0 + shape / asked.known
        unsure_of_peers = unsure + shape * self._per_peer_flip * (1.0 / by_peers + 1.0 / peers_rate)
        return (
            log_bayes_factor(flips, by_peers, shape / unsure_of_peers, peers_rate / unsure_of_peers),
            log_bayes_factor(flips, by_long_run, shape / unsure, long_rate / unsure),
            log_marks(flips, gone, self._kept),
        )

    def _inside(self, chosen: vec[i64], window: i64, without: vec[float]) -> tuple[float, float, float, float]:
        """What the chosen arms have in a window: flips, expected by peers and by the long run, retracted."""
        cells, arms, latest, before = self._befores, self._arms, self._latest, 4 * self._arms * window
        flips = by_peers = by_long_run = gone = 0.0
        for arm in chosen:
            flips += cells[latest + arm] - cells[before + arm]
            by_peers += cells[latest + arms + arm] - cells[before + arms + arm]
            by_long_run += cells[latest + 2 * arms + arm] - cells[before + 2 * arms + arm]
            gone += cells[latest + 3 * arms + arm] - cells[before + 3 * arms + arm]
        if len(without):
            for arm in chosen:
                flips -= without[before + arm]
                by_peers -= without[before + arms + arm]
                by_long_run -= without[before + 2 * arms + arm]
                gone -= without[before + 3 * arms + arm]
        return flips, by_peers, by_long_run, gone

    def verdict(self, watch: int) -> Verdict:
        """The window that speaks loudest for a watch; the expectation is that of the story that explains more."""
        asked, terms = self._alternatives[watch][0], list(self._terms[watch])
        window = terms.index(max(terms))
        by_peers, by_long_run, _ = self._window(asked, window, vec[float]())
        story = (1 if by_peers <= by_long_run else 2) * self._arms
        flips = self._since(window, asked.accused, 0)
        expected = self._since(window, asked.accused, story)
        course, most = list[tuple[float, float]](), 0.0
        for number, after in enumerate(flips[1:]):
            most = max(most, expected[number])  # a sum of many may fall by its last bit
            course.append((after, most))
        return Verdict(self.log_odds[watch], window, expected[-1] + E, course)

    def _since(self, window: i64, chosen: vec[i64], first: i64) -> list[float]:
        """Totals of the chosen arms before each of a window's flips and after the latest, since it began."""
        width, sums = 4 * self._arms, list[float]()
        for row in range(width * window, len(self._befores), width):
            total = 0.0
            for arm in chosen:
                total += self._befores[row + first + arm]
            sums.append(total)
        return [total - sums[0] for total in sums]


def _smaller(terms: vec[float], excused: vec[float], price: float) -> vec[float]:
    out = vec[float]()
    for window in range(len(terms)):
        out = append(out, min(terms[window], excused[window] + price))
    return out
