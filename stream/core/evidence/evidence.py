"""Evidence: how much better "cheating started" explains a subject's flips than the best innocent explanation.

Invariant: arrays in, numbers out, everything in logs; no review, seller or clock is known here. The arrays are packed
floats (mypyc's `vec`): a subject has a few dozen windows at most, and numpy's calls would cost as much as the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from librt.vecs import append, extend, vec
from mypy_extensions import i64

from stream.core.evidence.alternatives import LOG_BURST_PRICE, LOG_CLUSTER_PRICE, arrival_clusters, bursts, column
from stream.core.evidence.bayes import log_of_sum
from stream.core.evidence.breakdown import Breakdown
from stream.core.evidence.contrasts import Contrast
from stream.core.evidence.parts import Part
from stream.core.evidence.window_counts import Totals
from stream.core.evidence.window_factors import Prior, WindowFactors
from stream.core.model.flip_windows import N_META_COLUMNS


class WindowEvidence(NamedTuple):
    """The evidence of one watch, with its strongest window.

    Attributes:
        log_odds: ln R, over all windows.
        window: The index of the window that contributes most to R.
        exposed: The exposed groups of the variant that contributes most to the window.
        expected: Flips of these groups that peers expect in that window.
        series: For each flip from the start of the window on: exposed flips of the window up to and with that flip, and
            flips expected up to it.
        parts: What ln R consists of: their log odds add up to it.
    """

    log_odds: float
    window: int
    exposed: tuple[int, ...]
    expected: float
    series: list[tuple[float, float]]
    parts: list[Part]


class EvidenceModel:
    """Evaluates a subject's history for all watches of a family.

    For each window that begins at one of the subject's latest flips, a Bayes factor compares "flips come theta times as
    often as expected" (mean over THETAS) with "flips come as often as expected". The subject's level is gamma
    distributed. It is estimated from the controls within the window and, with a weight of `past_weight`, from
    everything before the window. If a contrast does not know which groups a cheat leaves alone, the factor is the mean
    over its variants.

    The factor is taken against the expectation by peers (A, itself a count of their flips, with its uncertainty) and
    against the expectation by the long run (H); the smaller factor counts. It is also taken without the window's
    arrival cluster and, if the contrast allows it, without the window's burst, at their prices; again the smallest
    counts. The retraction factor adds the evidence of deletions.

    R is the sum of the windows' factors, each multiplied by the prior probability that cheating started in the gap
    before the window (one start a year). This is the Shiryaev-Roberts statistic (Shiryaev 1963, Roberts 1966;
    e-detectors: Shin, Ramdas and Rinaldo 2023), read as the odds that cheating started within the kept windows.

    Args:
        contrasts: One for each watch.
        groups: The number of exposure groups of the subject.
        adjusted: The groups whose expected flips are multiplied by `Prior.looked_up_ratio`.
        past_weight: The weight of everything before a window in the subject's level.
    """

    def __init__(self, contrasts: list[Contrast], groups: int, adjusted: tuple[int, ...], past_weight: float) -> None:
        self.contrasts = contrasts
        self.variants = [contrast.variants() for contrast in contrasts]
        self.groups = groups
        self.past_weight = past_weight
        self.adjusted_columns = vec[i64]([kind * groups + group for kind in (1, 2) for group in adjusted])

    def evaluate(self, history: vec[float], totals: list[float], prior: Prior) -> EvidenceResult:
        """Evaluate all watches after a subject's latest flip.

        Args:
            history: (w * (N_META_COLUMNS + 4 * groups),), 1 <= w <= MAX_WINDOWS, the latest row last; see
                `flip_windows`.
            totals: (4 * groups,), the totals after the latest flip.
            prior: What is known before.
        """
        groups: i64 = self.groups
        width: i64 = 4 * groups
        totals_before, log_start_priors = vec[float](), vec[float]()
        for row in range(0, len(history), N_META_COLUMNS + width):
            log_start_priors = append(log_start_priors, history[row + 1])
            totals_before = extend(totals_before, history[row + N_META_COLUMNS : row + N_META_COLUMNS + width])
        totals_before = extend(totals_before, totals)
        if prior.looked_up_ratio != 1.0:
            for row in range(0, len(totals_before), width):
                for column_number in self.adjusted_columns:
                    totals_before[row + column_number] *= prior.looked_up_ratio
        result = EvidenceResult(self, totals_before, log_start_priors, prior)
        if max(result.log_odds) >= 0:  # otherwise there is nothing to explain
            times, created = column(history, N_META_COLUMNS + width, 0), column(history, N_META_COLUMNS + width, 2)
            result.apply_alternatives(
                arrival_clusters(created, totals_before, groups), bursts(times, totals_before, groups)
            )
        return result


class EvidenceResult:
    """The evidence of all watches on one subject.

    Args:
        model: The model that evaluates the subject.
        totals_before: ((w + 1) * 4 * groups,), the totals before each flip and after the latest.
        log_start_priors: (w,), the natural log of the prior probability of a start in the gap before each window.
        prior: What is known before.

    Attributes:
        log_odds: ln R of each watch.
    """

    def __init__(
        self, model: EvidenceModel, totals_before: vec[float], log_start_priors: vec[float], prior: Prior
    ) -> None:
        self._contrasts, self._variants = model.contrasts, model.variants
        self._log_start_priors = log_start_priors
        self._factors = WindowFactors(Totals(totals_before, model.groups, model.past_weight), prior)
        self._clusters = self._bursts = vec[float]()
        #: By watch, the log of each window's contribution to R.
        self._terms = [self._log_terms(watch, vec[float]()) for watch in range(len(model.contrasts))]
        self.log_odds = [log_of_sum(terms) for terms in self._terms]

    def apply_alternatives(self, clusters: vec[float], bursts: vec[float]) -> None:
        """Reduce each window's evidence to what remains without its arrival cluster, and without its burst.

        Args:
            clusters, bursts: (w * 4 * groups,), what each alternative explanation takes out of each window.
        """
        self._clusters, self._bursts = clusters, bursts
        for watch, contrast in enumerate(self._contrasts):
            terms = _smaller_terms(self._terms[watch], self._log_terms(watch, clusters), LOG_CLUSTER_PRICE)
            if contrast.burst_explains:
                terms = _smaller_terms(terms, self._log_terms(watch, bursts), LOG_BURST_PRICE)
            self._terms[watch] = terms
            self.log_odds[watch] = log_of_sum(terms)

    def _log_terms(self, watch: int, removed: vec[float]) -> vec[float]:
        """Return the log of each window's contribution to R: the mean over the variants of a watch's contrast.

        Args:
            watch: The number of the watch.
            removed: (w * 4 * groups,), what an alternative explanation takes out of each window; empty for nothing.
        """
        variants, terms = self._variants[watch], vec[float]()
        for window in range(len(self._log_start_priors)):
            log_mean = self._factors.log_mean(variants, window, removed)
            terms = append(terms, log_mean + self._log_start_priors[window])
        return terms

    def strongest_counts(self, watch: int) -> tuple[int, float, float]:
        """Return the window that contributes most to a watch, its flips, and the flips that peers expect in it."""
        terms, nothing = list(self._terms[watch]), vec[float]()
        window = terms.index(max(terms))
        by_variant = [self._factors.log_factor(variant, window, nothing) for variant in self._variants[watch]]
        variant = self._variants[watch][by_variant.index(max(by_variant))]
        counts = self._factors.totals.window(variant, window, nothing)
        return window, counts.flips, counts.by_peers

    def strongest_window(self, watch: int) -> WindowEvidence:
        """Return the evidence of a watch with the window and the variant that contribute most to it."""
        terms, variants = list(self._terms[watch]), self._variants[watch]
        window = terms.index(max(terms))
        breakdown = Breakdown(self._factors, variants, window)
        breakdown.add_factors(self._log_start_priors[window])
        breakdown.add_alternative("arrival_cluster", self._clusters, LOG_CLUSTER_PRICE)
        if self._contrasts[watch].burst_explains:
            breakdown.add_alternative("burst", self._bursts, LOG_BURST_PRICE)
        breakdown.add_other_starts(self.log_odds[watch], len(terms))
        series = self._factors.totals.series(breakdown.variant, window)
        exposed = tuple(breakdown.variant.exposed)
        return WindowEvidence(self.log_odds[watch], window, exposed, series[-1][1], series, breakdown.parts)


def _smaller_terms(terms: vec[float], explained: vec[float], price: float) -> vec[float]:
    """Return the smaller of each window's terms: without, and with an alternative explanation at its price."""
    out = vec[float]()
    for window in range(len(terms)):
        out = append(out, min(terms[window], explained[window] + price))
    return out
