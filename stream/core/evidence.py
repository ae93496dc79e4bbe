"""Evidence: how much better "began to cheat" explains a subject's flips than the best innocent story.

Rule of this room: arrays in, numbers out, everything in logs; no review, seller or clock is known here.

For each window that begins at one of the subject's last flips a Bayes factor compares "flips came theta times as
often as expected" (mean over THETAS) with "as expected", the subject's own level being gamma distributed and
learned from its control arms in the window and, at half weight, from its whole past. It is taken against what peers
do now (A) and against what the band's long run says (H), and the smaller one counts. Retractions speak for
themselves in `marks`. The windows' factors, each weighed by the prior chance that cheating began in the gap before
it (one start a year), add up to R: Shiryaev-Roberts (Shiryaev 1963, Roberts 1966; e-detectors: Shin, Ramdas and
Rinaldo 2023), read as the odds that a start lies in the kept past.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.bands import ARMS, DAY

Floats = NDArray[np.float64]

#: How many times more flips a cheat may have; the mean over them needs no guess.
THETAS: Final = np.array([2.0, 3.0, 5.0, 10.0, 20.0])
#: How many times more of the flips may be retractions.
DELTAS: Final = np.array([1.0, 2.0, 4.0])
#: Expected flips added to every window: a norm is itself a count of few flips.
E: Final = 0.3
#: Windows kept: the bound on a subject's history.
WINDOWS: Final = 60
#: Prior of a subject's level: mean K0 / R0 flips per expected flip.
K0: Final = 1.0
R0: Final = 0.5
YEAR_SECONDS: Final = 365 * DAY

#: Columns of a history row: time, gap before it in seconds, then the totals *before* that flip, ARMS columns each:
#: flips, expected by peers, expected by the long run, retracted flips.
COLUMNS: Final = 2 + 4 * ARMS
EMPTY: Final[Floats] = np.zeros((0, COLUMNS))


class Verdict(NamedTuple):
    """What one watch says: `log_odds` is ln R; `window` the index of the window that weighs most in it."""

    log_odds: float
    window: int
    flips: float
    expected: float


def weigh(history: Floats, totals: Floats, accused: Floats, controls: Floats, retracted: float) -> list[Verdict]:
    """The verdict of each watch, after a subject's flip.

    history: (w, COLUMNS), w <= WINDOWS, the latest last. totals: (4 * ARMS,), the same totals after the flip.
    accused, controls: (ARMS, watches), 1 where the watch takes the arm. retracted: peers' share of retractions.
    """
    before = history[:, 2:].reshape(-1, 4, ARMS)
    inside = totals.reshape(4, ARMS) - before
    flips, peers, long_run, gone = (inside[:, i] @ accused for i in range(4))  # each (w, watches)
    control_flips, control_peers, control_long = (inside[:, i] @ controls for i in range(3))
    past = before.sum(axis=2)  # (w, 4)
    shape = K0 + past[:, 0, None] / 2 + control_flips
    by_peers = _log_bayes_factor(flips, peers, shape, R0 + past[:, 1, None] / 2 + control_peers)
    by_long_run = _log_bayes_factor(flips, long_run, shape, R0 + past[:, 2, None] / 2 + control_long)
    # The chance of a start within the gap; -expm1 keeps a silence of years from counting as several starts.
    prior = np.log(-np.expm1(-np.maximum(history[:, 1], 1.0) / YEAR_SECONDS))[:, None]
    terms = prior + np.minimum(by_peers, by_long_run) + _log_marks(flips, gone, retracted)
    top = terms.max(axis=0)
    log_odds = top + np.log(np.exp(terms - top).sum(axis=0))
    return [
        _verdict(log_odds[i], int(w), flips[w, i], peers[w, i], long_run[w, i], by_peers[w, i] <= by_long_run[w, i])
        for i, w in enumerate(terms.argmax(axis=0))
    ]


def _verdict(log_odds: float, window: int, flips: float, peers: float, long_run: float, peers_decide: bool) -> Verdict:
    """The expectation named is that of the story that explains more."""
    return Verdict(float(log_odds), window, float(flips), float(peers if peers_decide else long_run) + E)


def _log_bayes_factor(flips: Floats, expected: Floats, shape: Floats, rate: Floats) -> Floats:
    """Log of the mean over THETAS of theta^n ((r + a) / (r + theta a))^(k + n), the gamma-Poisson ratio."""
    a = (expected + E)[..., None]
    n = flips[..., None]
    r = rate[..., None]
    logs = n * np.log(THETAS) + (shape[..., None] + n) * (np.log(r + a) - np.log(r + THETAS * a))
    return _log_mean_exp(logs)


def _log_marks(flips: Floats, gone: Floats, retracted: float) -> Floats:
    """Log of the mean over DELTAS of the likelihood ratio "delta times as many of the flips are retractions"."""
    scale = np.log1p((DELTAS - 1) * retracted)
    return _log_mean_exp(gone[..., None] * np.log(DELTAS) - flips[..., None] * scale)


def _log_mean_exp(logs: Floats) -> Floats:
    top = logs.max(axis=-1)
    out: Floats = top + np.log(np.exp(logs - top[..., None]).mean(axis=-1))
    return out
