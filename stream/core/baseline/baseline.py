"""The baseline: the flip rate of each stratum, and the market's hazard ratio (Breslow 1972; Cox 1972).

Invariant: the rates of a day are fixed at its midnight from the days before. The flips of a day cannot explain
themselves.
"""

from __future__ import annotations

import math
from typing import Final

from stream.core.baseline.day_sums import DaySums, forward_decay_weight
from stream.core.model.flips import Flip
from stream.core.model.marks import add_marks, no_marks
from stream.core.model.strata import CONTACT_AGE_EDGES, CONTACT_EDGES, DAY, N_BUCKETS, N_STRATA
from stream.core.model.sums import total

#: Applied once a day: a memory of a year.
_DAILY_DECAY: Final = math.exp(-1 / 365)

#: Initial rates in flips a day, by age bucket: a tenth in the first hour and thousandths after a week; a contact raises
#: them again. They count as much as one flip.
_INITIAL_AGE_RATES: Final[tuple[float, ...]] = (0.1, 0.03, 0.007, 0.002, 0.001, 0.0007, 0.0004, 0.0003)
_INITIAL_CONTACT_RATES: Final[tuple[float, ...]] = (0.05, 0.03, 0.012, 0.006, 0.003)
_INITIAL_RATES: Final[tuple[float, ...]] = tuple(
    rate / DAY
    for rate in _INITIAL_AGE_RATES + _INITIAL_CONTACT_RATES[: len(CONTACT_EDGES)] * (len(CONTACT_AGE_EDGES) + 1)
)
#: Rates of one age bucket differ little by stars: a stratum's rate is shrunk to its bucket's with the weight of this
#: many flips.
_STARS_SHRINKAGE_FLIPS: Final = 4.0

#: A market with a smaller expected rate has no weight: the rest is rounding, or sellers under strong suspicion.
MIN_EXPECTED_RATE: Final = 1e-30

#: Pseudo-counts, of flips and of expected flips, that keep the ratio of few flips finite. `staff.watches` accounts for
#: its uncertainty.
_RATIO_PRIOR: Final = 0.5


class Stratum:
    """One task's state of one stratum."""

    __slots__ = (
        "current_clock",
        "exposure",
        "exposure_today",
        "flips",
        "long_run_clock",
        "looked_up_weight",
        "rate",
        "reviews",
        "weight",
    )

    def __init__(self, rate: float) -> None:
        self.weight = 0.0  # G_b: sum of the sellers' weights over the reviews at risk
        self.looked_up_weight = 0.0  # the part of G_b of looked-up reviews
        self.reviews = 0  # reviews at risk; zero exactly when G_b is
        self.long_run_clock = 0.0  # C_b at the start of the day
        self.current_clock = 0.0  # M_b at the start of the day
        self.rate = rate  # h_b of the day, in flips per weight and second
        self.flips = 0.0  # sum of g over the flips, decayed
        self.exposure = 0.0  # integral of G_b dt up to the start of the day, in weight-seconds, decayed
        #: Today's integral minus G_b times the day's length: a review that enters adds -g times the seconds of the day.
        self.exposure_today = 0.0

    def end_day(self, day_seconds: float, hazard_ratio: float) -> None:
        """Advance the clocks and the exposure to midnight, and decay the long run.

        Args:
            day_seconds: Seconds since the day started for this task.
            hazard_ratio: The market's cumulative hazard ratio of the day.
        """
        self.long_run_clock += self.rate * day_seconds
        self.current_clock += self.rate * hazard_ratio
        self.exposure = (self.exposure + self.weight * day_seconds + self.exposure_today) * _DAILY_DECAY
        self.exposure_today = 0.0
        self.flips *= _DAILY_DECAY


class Baseline:
    """One task's market: rates, clocks and totals.

    The rate h_b of stratum b is flips per seller weight and second, with a memory of a year. Each stratum has two
    clocks. The long-run clock C_b advances by h_b dt: flips that a review would have if nothing had changed in the
    market. The current clock M_b advances by h_b dT, where the cumulative hazard ratio T grows by g_s / V at a flip of
    seller s. Here g is a seller's weight and V, the market's expected rate, the sum over b of h_b G_b, with G_b the
    weight at risk in b.

    T is Breslow's estimate for hazards that are known up to a common factor (Breslow 1972). The same weights count
    flips and reviews at risk, so the estimate is unbiased for weights chosen beforehand. It handles censoring, and a
    rise of the whole market cancels. All strata are pooled, so a few dozen sellers are enough peers.

    A look-up makes no stratum, because insiders' look-ups would then be compared with each other. But honest staff look
    up tickets that they then solve. So an evaluation multiplies the flips expected of looked-up reviews by the market's
    looked-up ratio: looked-up flips over those that the strata expect, in seller weights and with a memory of a year.
    The subject's own contribution is left out, so that it cannot explain its own flips.
    """

    def __init__(self) -> None:
        self.strata = [Stratum(_INITIAL_RATES[number % N_BUCKETS]) for number in range(N_STRATA)]
        self.day_started_at = 0.0  # epoch seconds
        self.next_midnight = 0.0  # epoch seconds
        self.hazard_ratio = 0.0  # T since the day started
        self.expected_rate = 0.0  # V, in flips a second and seller weights
        self.looked_up_expected_rate = 0.0  # the part of V of looked-up reviews
        #: Looked-up flips, and those that the strata expected, in seller weights times `day_weight` (forward decay). So
        #: a subject's contribution can be subtracted later.
        self.looked_up_flips = 0.0
        self.looked_up_expected = 0.0
        self.day_weight = 1.0  # forward-decay weight of the present day
        self.total_flips = 0
        self.total_retracted = 0  # deletions among them
        #: Marks of payment of all flips, see `add_marks`, in seller weights times `day_weight`.
        self.marks = no_marks()
        #: Sums of the present day, for the aggregators of staff evidence.
        self.today = DaySums()

    def start(self, now: float) -> None:
        """Start at the time of the first event (epoch seconds)."""
        self.day_started_at = now
        self.next_midnight = (now // DAY + 1) * DAY
        self.day_weight = forward_decay_weight(now // DAY)

    def advance_day(self, now: float) -> None:
        """Pass all midnights up to `now` (epoch seconds)."""
        while self.next_midnight <= now:
            for stratum in self.strata:
                stratum.end_day(self.next_midnight - self.day_started_at, self.hazard_ratio)
            self.hazard_ratio = 0.0
            self._estimate_rates()
            self.day_started_at = self.next_midnight
            self.next_midnight += DAY
        self.day_weight = forward_decay_weight(self.day_started_at // DAY)

    def _estimate_rates(self) -> None:
        """Fix the new day's rates: a stratum's is shrunk to its age bucket's, and that to the initial rate."""
        strata = self.strata
        reviews = total([stratum.reviews for stratum in strata])
        # The mean weight of a flip in the present market: large sellers have small weights.
        flip = total([stratum.weight for stratum in strata]) / reviews if reviews else 1.0
        for bucket in range(N_BUCKETS):
            flips, exposure = flip, flip / _INITIAL_RATES[bucket]
            for number in range(bucket, N_STRATA, N_BUCKETS):
                flips += strata[number].flips
                exposure += strata[number].exposure
            for number in range(bucket, N_STRATA, N_BUCKETS):
                stratum = strata[number]
                stratum.rate = (stratum.flips + _STARS_SHRINKAGE_FLIPS * flip) / (
                    stratum.exposure + _STARS_SHRINKAGE_FLIPS * flip * exposure / flips
                )
        # Summed anew, so that rounding errors last one day at most.
        self.expected_rate = total([stratum.rate * stratum.weight for stratum in strata])
        self.looked_up_expected_rate = total([stratum.rate * stratum.looked_up_weight for stratum in strata])

    def flips_per_second(self) -> float:
        """Return the flips a second that the long run expects of all reviews at risk."""
        flips = 0.0
        for stratum in self.strata:
            flips += stratum.rate * stratum.reviews
        return flips

    def record_flip(self, stratum: Stratum, weight: float, looked_up: bool, flip: Flip) -> float:
        """Record a flip of a review.

        Args:
            stratum: The review's stratum.
            weight: The weight of the review's seller.
            looked_up: Whether the review was looked up.
            flip: The flip.

        Returns:
            The increment of the cumulative hazard ratio.
        """
        today, step = self.today, 0.0
        if self.expected_rate > MIN_EXPECTED_RATE:
            step = weight / self.expected_rate
            expected = self.day_weight * step * self.looked_up_expected_rate
            self.looked_up_expected += expected
            today.looked_up_expected += expected
        if looked_up:
            self.looked_up_flips += self.day_weight * weight
            today.looked_up_flips += self.day_weight * weight
        stratum.flips += weight
        self.hazard_ratio += step
        self.total_flips += 1
        self.total_retracted += flip.retracted
        today.flips += 1
        today.retracted += flip.retracted
        add_marks(self.marks, flip, self.day_weight * weight)
        if not today.marks:
            today.marks = no_marks()
        add_marks(today.marks, flip, self.day_weight * weight)
        return step

    def looked_up_ratio(self, own_flips: float, own_expected: float) -> float:
        """Return the looked-up ratio of the market without a subject's own contribution; see the module's function.

        Args:
            own_flips, own_expected: Of the subject, in seller weights times each day's forward-decay weight.
        """
        return looked_up_ratio(
            self.looked_up_flips - own_flips, self.looked_up_expected - own_expected, self.day_weight
        )

    def present_marks(self) -> list[float]:
        """Return the sums of marks in seller weights of the present day."""
        return [value / self.day_weight for value in self.marks]

    def retracted_share(self, own_flips: float, own_retracted: float) -> float:
        """Return the share of deletions among the flips of others."""
        return retracted_share(self.total_flips - own_flips, self.total_retracted - own_retracted)


def looked_up_ratio(flips: float, expected: float, weight: float) -> float:
    """Return how many times as often looked-up reviews flip as their strata expect, 1 at least.

    Args:
        flips, expected: In seller weights times forward-decay weights. Rounding may make them negative after a
            subtraction.
        weight: The forward-decay weight of the present day.
    """
    return max(1.0, (max(flips, 0.0) / weight + _RATIO_PRIOR) / (max(expected, 0.0) / weight + _RATIO_PRIOR))


def retracted_share(flips: float, retracted: float) -> float:
    """Return the share of deletions among flips.

    Laplace's rule with the weight of five flips, one of them a deletion, for a market with few flips.
    """
    return (retracted + 1) / (flips + 5)
