"""Evidence: how much better "cheating started" explains a subject's flips than the best innocent explanation.

Invariant: arrays in, numbers out, everything in logs; no review, seller or clock is known here. The arrays are packed
floats (mypyc's `vec`): a subject has a few dozen windows at most, and numpy's calls would cost as much as the rest.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from librt.vecs import append, extend, vec
from mypy_extensions import i64

from stream.core.evidence.alternatives import LOG_BURST_PRICE, LOG_CLUSTER_PRICE, arrival_clusters, bursts, column
from stream.core.evidence.bayes import (
    LOG_N_TERMS,
    log_add,
    log_bayes_factor,
    log_of_sum,
    log_retraction_factor,
    log_retraction_normalizers,
)
from stream.core.evidence.contrasts import Contrast, ContrastVariant
from stream.core.model.flip_windows import N_META_COLUMNS

#: Expected flips that are added to every window, because a baseline is itself a count of few flips.
EXTRA_EXPECTED: Final = 0.3


class WindowEvidence(NamedTuple):
    """The evidence of one watch, with its strongest window.

    Attributes:
        log_odds: ln R, over all windows.
        window: The index of the window that contributes most to R.
        expected: Flips expected in that window, EXTRA_EXPECTED included.
        series: For each flip from the start of the window on: exposed flips of the window up to and with that flip, and
            flips expected up to it.
    """

    log_odds: float
    window: int
    expected: float
    series: list[tuple[float, float]]


class Prior(NamedTuple):
    """What is known before a subject is evaluated.

    Attributes:
        flips, expected: Pseudo-counts of the subject's level: as if `flips` had been seen where `expected` were
            expected.
        retracted_share: The share of deletions among the flips of peers.
        looked_up_ratio: How many times as many flips are expected of the adjusted groups.
        expected_per_peer_flip: How many flips are expected of the subject for each flip of its peers; 0 if the
            uncertainty of the expectation is negligible.
    """

    flips: float
    expected: float
    retracted_share: float
    looked_up_ratio: float = 1.0
    expected_per_peer_flip: float = 0.0


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
        self._groups: i64 = model.groups
        self._totals_before, self._log_start_priors = totals_before, log_start_priors
        self._latest: i64 = len(totals_before) - 4 * self._groups
        self._prior_flips, self._prior_expected = prior.flips, prior.expected
        self._retraction_normalizers = log_retraction_normalizers(prior.retracted_share)
        self._expected_per_peer_flip = prior.expected_per_peer_flip
        #: (3 * w,), weighted totals before each window over all groups: flips, expected by peers, by the long run.
        self._past_totals = self._totals_before_windows(model.past_weight)
        #: By watch, the log of each window's contribution to R.
        self._terms = [self._log_terms(watch, vec[float]()) for watch in range(len(model.contrasts))]
        self.log_odds = [log_of_sum(terms) for terms in self._terms]

    def apply_alternatives(self, clusters: vec[float], bursts: vec[float]) -> None:
        """Reduce each window's evidence to what remains without its arrival cluster, and without its burst.

        Args:
            clusters, bursts: (w * 4 * groups,), what each alternative explanation takes out of each window.
        """
        for watch, contrast in enumerate(self._contrasts):
            terms = _smaller_terms(self._terms[watch], self._log_terms(watch, clusters), LOG_CLUSTER_PRICE)
            if contrast.burst_explains:
                terms = _smaller_terms(terms, self._log_terms(watch, bursts), LOG_BURST_PRICE)
            self._terms[watch] = terms
            self.log_odds[watch] = log_of_sum(terms)

    def _totals_before_windows(self, weight: float) -> vec[float]:
        """Return the weighted totals before each window over all groups, in the order of `_past_totals`."""
        groups, found = self._groups, vec[float]()
        for window in range(len(self._log_start_priors)):
            for kind in range(window * 4 * groups, window * 4 * groups + 3 * groups, groups):
                total = 0.0
                for column_number in range(kind, kind + groups):
                    total += self._totals_before[column_number]
                found = append(found, weight * total)
        return found

    def _log_terms(self, watch: int, removed: vec[float]) -> vec[float]:
        """Return the log of each window's contribution to R: the mean over the variants of a watch's contrast.

        Args:
            watch: The number of the watch.
            removed: (w * 4 * groups,), what an alternative explanation takes out of each window; empty for nothing.
        """
        variants, terms = self._variants[watch], vec[float]()
        log_n_terms = math.log(len(variants)) + LOG_N_TERMS
        for window in range(len(self._log_start_priors)):
            log_factor = -math.inf
            for variant in variants:
                by_peers, by_long_run, retraction_factor = self._window(variant, window, removed)
                log_factor = log_add(
                    log_factor, retraction_factor + (by_peers if by_peers < by_long_run else by_long_run)
                )
            terms = append(terms, log_factor - log_n_terms + self._log_start_priors[window])
        return terms

    def _window(self, variant: ContrastVariant, window: i64, removed: vec[float]) -> tuple[float, float, float]:
        """Return a window's log Bayes factors by peers and by the long run, and its log retraction factor."""
        flips, by_peers, by_long_run, retracted = self._window_totals(variant.exposed, window, removed)
        control_flips, control_by_peers, control_by_long_run, _ = self._window_totals(variant.controls, window, removed)
        past, past_totals = 3 * window, self._past_totals
        by_peers, by_long_run = by_peers + EXTRA_EXPECTED, by_long_run + EXTRA_EXPECTED
        shape = self._prior_flips + past_totals[past] + control_flips
        peers_rate = self._prior_expected + past_totals[past + 1] + control_by_peers
        long_run_rate = self._prior_expected + past_totals[past + 2] + control_by_long_run
        # Uncertainties add: 1 / flips that the subject's level is known from, the same of the exposed groups' level,
        # and that of the peers' count in this window and where the level was estimated.
        dispersion = 1.0 + shape / variant.max_level_flips
        dispersion_of_peers = dispersion + shape * self._expected_per_peer_flip * (1.0 / by_peers + 1.0 / peers_rate)
        return (
            log_bayes_factor(flips, by_peers, shape / dispersion_of_peers, peers_rate / dispersion_of_peers),
            log_bayes_factor(flips, by_long_run, shape / dispersion, long_run_rate / dispersion),
            log_retraction_factor(flips, retracted, self._retraction_normalizers),
        )

    def _window_totals(self, chosen: vec[i64], window: i64, removed: vec[float]) -> tuple[float, float, float, float]:
        """Return some groups' totals in a window: flips, expected by peers, expected by the long run, retracted."""
        columns, groups, latest, before = self._totals_before, self._groups, self._latest, 4 * self._groups * window
        flips = by_peers = by_long_run = retracted = 0.0
        for group in chosen:
            flips += columns[latest + group] - columns[before + group]
            by_peers += columns[latest + groups + group] - columns[before + groups + group]
            by_long_run += columns[latest + 2 * groups + group] - columns[before + 2 * groups + group]
            retracted += columns[latest + 3 * groups + group] - columns[before + 3 * groups + group]
        if len(removed):
            for group in chosen:
                flips -= removed[before + group]
                by_peers -= removed[before + groups + group]
                by_long_run -= removed[before + 2 * groups + group]
                retracted -= removed[before + 3 * groups + group]
        return flips, by_peers, by_long_run, retracted

    def strongest_window(self, watch: int) -> WindowEvidence:
        """Return the evidence of a watch with the window that contributes most to it.

        The expected flips are those of the expectation (by peers or by the long run) that explains more.
        """
        variant, terms = self._variants[watch][0], list(self._terms[watch])
        window = terms.index(max(terms))
        by_peers, by_long_run, _ = self._window(variant, window, vec[float]())
        first_column = (1 if by_peers <= by_long_run else 2) * self._groups
        flips = self._totals_since(window, variant.exposed, 0)
        expected = self._totals_since(window, variant.exposed, first_column)
        series, largest = list[tuple[float, float]](), 0.0
        for number, after in enumerate(flips[1:]):
            largest = max(largest, expected[number])  # rounding may lower a sum by its last bit
            series.append((after, largest))
        return WindowEvidence(self.log_odds[watch], window, expected[-1] + EXTRA_EXPECTED, series)

    def _totals_since(self, window: i64, chosen: vec[i64], first: i64) -> list[float]:
        """Return totals of some groups since a window began, before each of its flips and after the latest.

        Args:
            window: The number of the window.
            chosen: The groups.
            first: The column of group 0.
        """
        width, sums = 4 * self._groups, list[float]()
        for row in range(width * window, len(self._totals_before), width):
            total = 0.0
            for group in chosen:
                total += self._totals_before[row + first + group]
            sums.append(total)
        return [total - sums[0] for total in sums]


def _smaller_terms(terms: vec[float], explained: vec[float], price: float) -> vec[float]:
    """Return the smaller of each window's terms: without, and with an alternative explanation at its price."""
    out = vec[float]()
    for window in range(len(terms)):
        out = append(out, min(terms[window], explained[window] + price))
    return out
