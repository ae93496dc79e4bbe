"""A seller as a subject: reviews at risk by cell, expected flips, history of flips, weight.

Invariant: expected flips follow from sums of clocks, at O(1) for each review that enters or leaves a stratum. They are
settled only when they are needed; between these times nothing is done for a seller.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from librt.vecs import vec

from stream.core.baseline.arrivals import Arrivals
from stream.core.baseline.baseline import MIN_EXPECTED_RATE, Baseline
from stream.core.messages.reports import LinkedReport
from stream.core.model.finding import Finding
from stream.core.model.flip_windows import MAX_WINDOWS, append_row, log_start_prior
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY, GROUP_OF, N_GROUPS
from stream.core.model.sums import total
from stream.core.model.verdict_effect import VerdictEffect
from stream.core.subjects.exposure_sums import ExposureSums

#: Memory of the expected flips that set a seller's weight.
WEIGHT_MEMORY_SECONDS: Final = 60 * DAY
#: A seller with more than this share of a group's expected rate has no peers there.
MAX_PEER_SHARE: Final = 0.5
#: Links of one seller that are kept.
MAX_LINKS_PER_SELLER: Final = 16
#: P(honest) of a confirmed cheat: nought but for a rest that keeps quotients of weights finite.
CONFIRMED_HONEST: Final = 1e-12


class Seller:
    """One seller of a task.

    Lists of N_GROUPS numbers have one entry for each exposure group.

    Args:
        seller_id: The seller.
        first_seen: Epoch seconds: of the first critical review, or before it of the first link.

    Attributes:
        weight: g, how much the seller counts in the baseline, 0 to 1.
        exposure: Sums by stratum; strata without reviews at risk have no entry.
        flips_by_group, retracted_by_group: All flips, and the deletions by authors among them.
        expected, expected_long_run: Flips expected by peers, and by the long run, up to the last `settle`.
        history: (w * N_COLUMNS,), see `model.flip_windows`.
        flips: The flips of these rows.
        flip_count: The number of all flips.
        log_odds: ln R of each watch after the latest flip; empty before the first.
        verdict: What the latest verdict changed; None before the first.
        alerted_at: The time of the latest alert in epoch seconds, by kind (of products: kind and product).
        finding: What alerts have reported about the seller; None before the first.
        links: What it has in common with other sellers: the relation by link id, the latest link last.
        linked_report: What is to be reported about the seller as a linked one; None if there is nothing new.
    """

    __slots__ = (
        "alerted_at",
        "arrivals",
        "decayed_at",
        "decayed_expected",
        "decayed_total",
        "expected",
        "expected_long_run",
        "exposure",
        "finding",
        "first_seen",
        "flip_count",
        "flips",
        "flips_by_group",
        "history",
        "linked_report",
        "links",
        "log_odds",
        "looked_up_expected",
        "looked_up_flips",
        "retracted_by_group",
        "reviewers",
        "seller_id",
        "unsettled",
        "verdict",
        "weight",
    )

    def __init__(self, seller_id: str, first_seen: float) -> None:
        self.seller_id = seller_id
        self.first_seen = first_seen
        self.arrivals = Arrivals(int(first_seen // DAY))
        self.weight = 1.0
        self.exposure: dict[int, ExposureSums] = {}
        self.flips_by_group = [0.0] * N_GROUPS
        self.expected = [0.0] * N_GROUPS
        self.expected_long_run = [0.0] * N_GROUPS
        self.unsettled = [0.0] * N_GROUPS  # expected by all sellers, itself included, since `settle`
        self.retracted_by_group = [0.0] * N_GROUPS
        #: The seller's part of the baseline's sums of the same names: in seller weights, times each day's forward-decay
        #: weight.
        self.looked_up_flips = 0.0
        self.looked_up_expected = 0.0
        self.decayed_expected = 0.0  # expected flips with a memory of WEIGHT_MEMORY_SECONDS ...
        self.decayed_at = first_seen  # ... at this time (epoch seconds) ...
        self.decayed_total = 0.0  # ... when `expected` added up to this
        self.log_odds: list[float] = []
        self.alerted_at: dict[str, float] = {}
        self.finding: Finding | None = None
        self.verdict: VerdictEffect | None = None
        self.links: dict[str, str] = {}
        self.linked_report: LinkedReport | None = None
        self.history = vec[float]()
        self.flips: list[Flip] = []
        self.flip_count = 0
        #: Names of the open critical reviews by reviewer, for outreach that names no review.
        self.reviewers: dict[str, tuple[str, ...]] = {}

    @property
    def has_had_reviews(self) -> bool:
        """Whether the seller has had a critical review; until then nothing but its links is known."""
        return self.arrivals.today > 0

    def begin(self, now: float) -> None:
        """Begin with the first critical review, at `now` (epoch seconds): no number depends on an earlier link."""
        self.first_seen = self.decayed_at = now
        self.arrivals = Arrivals(int(now // DAY))

    def add_link(self, link_id: str, relation: str) -> bool:
        """Note a link, as the latest one; return whether one of more than MAX_LINKS_PER_SELLER had to go.

        It is the oldest one of the relation with the most: the device of each login drives out no bank account.
        """
        self.links.pop(link_id, None)
        self.links[link_id] = relation
        if len(self.links) <= MAX_LINKS_PER_SELLER:
            return False
        counts = Counter(self.links.values())
        most = max(counts.values())
        del self.links[next(name for name, its in self.links.items() if counts[its] == most)]
        return True

    def add_review(self, reviewer_id: str, name: str) -> None:
        """Note that a critical review of a reviewer is open."""
        self.reviewers[reviewer_id] = (*self.reviewers.get(reviewer_id, ()), name)

    def remove_review(self, reviewer_id: str, name: str) -> None:
        """Note that a reviewer's critical review is no longer open."""
        others = tuple(other for other in self.reviewers[reviewer_id] if other != name)
        if others:
            self.reviewers[reviewer_id] = others
        else:
            del self.reviewers[reviewer_id]

    def open_review_names(self) -> list[str]:
        """Return the names of the open critical reviews, sorted."""
        return sorted(name for names in self.reviewers.values() for name in names)

    def enter(self, cell: int, baseline: Baseline, now: float) -> None:
        """Add a review to a cell, at `now` (epoch seconds).

        Like `leave`, it is written out, because it runs more often than there are events.
        """
        number = cell >> 1
        stratum, day_seconds = baseline.strata[number], now - baseline.day_started_at
        rate, weight = stratum.rate, self.weight
        sums = self.exposure.get(number)
        if sums is None:
            sums = self.exposure[number] = ExposureSums(0, 0, 0.0, 0.0, 0.0, 0.0)
        if cell & 1:
            sums.looked_up += 1
            sums.long_run_looked_up -= stratum.long_run_clock + rate * day_seconds
            sums.current_looked_up -= stratum.current_clock + rate * baseline.hazard_ratio
            stratum.looked_up_weight += weight
            baseline.looked_up_expected_rate += rate * weight
        else:
            sums.plain += 1
            sums.long_run_plain -= stratum.long_run_clock + rate * day_seconds
            sums.current_plain -= stratum.current_clock + rate * baseline.hazard_ratio
        stratum.reviews += 1
        stratum.weight += weight
        stratum.exposure_today -= weight * day_seconds
        baseline.expected_rate += rate * weight

    def leave(self, cell: int, baseline: Baseline, now: float) -> None:
        """Take a review out of a cell, at `now` (epoch seconds)."""
        number = cell >> 1
        stratum, day_seconds = baseline.strata[number], now - baseline.day_started_at
        rate, weight = stratum.rate, self.weight
        sums = self.exposure[number]
        if cell & 1:
            sums.looked_up -= 1
            sums.long_run_looked_up += stratum.long_run_clock + rate * day_seconds
            sums.current_looked_up += stratum.current_clock + rate * baseline.hazard_ratio
            stratum.looked_up_weight -= weight
            baseline.looked_up_expected_rate -= rate * weight
        else:
            sums.plain -= 1
            sums.long_run_plain += stratum.long_run_clock + rate * day_seconds
            sums.current_plain += stratum.current_clock + rate * baseline.hazard_ratio
        if not sums.plain and not sums.looked_up:
            plain, looked_up = GROUP_OF[2 * number], GROUP_OF[2 * number + 1]
            self.expected_long_run[plain] += sums.long_run_plain
            self.expected_long_run[looked_up] += sums.long_run_looked_up
            self.unsettled[plain] += sums.current_plain
            self.unsettled[looked_up] += sums.current_looked_up
            self.looked_up_expected += baseline.day_weight * weight * sums.current_looked_up
            del self.exposure[number]
        stratum.reviews -= 1
        if stratum.reviews:
            stratum.weight -= weight
        else:
            stratum.weight = stratum.looked_up_weight = 0.0
        stratum.exposure_today += weight * day_seconds
        baseline.expected_rate -= rate * weight

    def expected_rate(self, baseline: Baseline) -> float:
        """Return the flips a second that the long run expects of the seller's reviews at risk."""
        own = 0.0
        for number in sorted(self.exposure):  # in order: sums of floats depend on it, and so do digests
            sums = self.exposure[number]
            own += baseline.strata[number].rate * (sums.plain + sums.looked_up)
        return own

    def market_share(self, baseline: Baseline) -> float:
        """Return the seller's share of the market's expected rate, 0 to 1."""
        if baseline.expected_rate <= MIN_EXPECTED_RATE:
            return 1.0
        return min(1.0, self.weight * self.expected_rate(baseline) / baseline.expected_rate)

    def expected_per_peer_flip(self, baseline: Baseline) -> float:
        """Return how many flips are expected of the seller for each expected flip of all others."""
        own = self.expected_rate(baseline)
        return own / max(baseline.flips_per_second() - own, MIN_EXPECTED_RATE)

    def settle(self, baseline: Baseline, now: float) -> None:
        """Bring the expected flips up to `now` (epoch seconds)."""
        day_seconds, unsettled = now - baseline.day_started_at, self.unsettled
        for number in sorted(self.exposure):
            sums, stratum = self.exposure[number], baseline.strata[number]
            plain, looked_up = GROUP_OF[2 * number], GROUP_OF[2 * number + 1]
            clock = stratum.long_run_clock + stratum.rate * day_seconds
            self.expected_long_run[plain] += sums.plain * clock + sums.long_run_plain
            self.expected_long_run[looked_up] += sums.looked_up * clock + sums.long_run_looked_up
            sums.long_run_plain, sums.long_run_looked_up = -sums.plain * clock, -sums.looked_up * clock
            clock = stratum.current_clock + stratum.rate * baseline.hazard_ratio
            expected_looked_up = sums.looked_up * clock + sums.current_looked_up
            unsettled[plain] += sums.plain * clock + sums.current_plain
            unsettled[looked_up] += expected_looked_up
            self.looked_up_expected += baseline.day_weight * self.weight * expected_looked_up
            sums.current_plain, sums.current_looked_up = -sums.plain * clock, -sums.looked_up * clock
        market_share = self.market_share(baseline)
        # A seller is not its own peer: the others' flips are divided by the others' expected rate and not by the
        # market's.
        correction = 1.0 / (1.0 - market_share) if market_share <= MAX_PEER_SHARE else 1.0
        for group in range(N_GROUPS):
            self.expected[group] += unsettled[group] * correction
            unsettled[group] = 0.0

    def record_flip(self, cell: int, flip: Flip, baseline: Baseline) -> None:
        """Record a flip of a review in `cell`. All strata are settled up to the flip."""
        group = GROUP_OF[cell]
        last_at = self.flips[-1].at if self.flips else self.evaluated_since()
        self.history = append_row(
            self.history, [flip.at, log_start_prior(flip.at - last_at), flip.created_at, *self.totals()]
        )
        self.flips = [*self.flips, flip][-MAX_WINDOWS:]
        self.flip_count += 1
        group_share = self._share_of_group(GROUP_OF[cell & ~1], baseline)
        if group_share > MAX_PEER_SHARE:  # without peers its own flips are the expectation
            self.expected[group] += group_share
        step = baseline.record_flip(baseline.strata[cell >> 1], self.weight, bool(cell & 1), flip)
        if cell & 1:
            self.looked_up_flips += baseline.day_weight * self.weight
        for number in sorted(self.exposure):  # its own flip does not add to its own expectation
            sums, skipped = self.exposure[number], baseline.strata[number].rate * step
            self.looked_up_expected += baseline.day_weight * self.weight * sums.looked_up * skipped
            sums.current_plain -= sums.plain * skipped
            sums.current_looked_up -= sums.looked_up * skipped
        self.flips_by_group[group] += 1
        self.retracted_by_group[group] += flip.retracted

    def _share_of_group(self, group: int, baseline: Baseline) -> float:
        """Return the seller's share of an exposure group's expected rate, 0 to 1.

        A looked-up review counts in the group that it would belong to without the look-up.
        """
        own = everybody = 0.0
        for number, stratum in enumerate(baseline.strata):
            if GROUP_OF[2 * number] == group:
                everybody += stratum.rate * stratum.weight
                sums = self.exposure.get(number)
                if sums is not None:
                    own += stratum.rate * (sums.plain + sums.looked_up)
        return min(1.0, self.weight * own / everybody) if everybody > MIN_EXPECTED_RATE else 1.0

    def level(self, excluding: int) -> float:
        """Return flips over flips expected by peers, with one of each added, in all groups but one."""
        flips = total(self.flips_by_group) - self.flips_by_group[excluding]
        return (flips + 1) / (total(self.expected) - self.expected[excluding] + 1)

    def is_inactive_since(self, horizon: float) -> bool:
        """Return whether no review is open and the latest flip (or first sight) is before `horizon` (epoch seconds)."""
        last_at = self.flips[-1].at if self.flips else self.evaluated_since()
        return not self.exposure and not self.reviewers and last_at < horizon

    def evaluated_since(self) -> float:
        """Return since when windows may begin: the first sight, or the latest verdict (epoch seconds)."""
        return self.first_seen if self.verdict is None else self.verdict.since

    def kept_flips(self) -> int:
        """Return how many of the latest flips are kept: those since the latest verdict, MAX_WINDOWS at most."""
        return min(self.flip_count - (0 if self.verdict is None else self.verdict.dropped_flips), MAX_WINDOWS)

    def totals(self) -> list[float]:
        """Return flips, expected by peers, expected by the long run, retracted: (4 * N_GROUPS,).

        With what the latest verdict added to the seller's past, or removed from it.
        """
        totals = [*self.flips_by_group, *self.expected, *self.expected_long_run, *self.retracted_by_group]
        if self.verdict is None:
            return totals
        return [value + past for value, past in zip(totals, self.verdict.past, strict=True)]

    def update_weight(self, log_odds: list[float], baseline: Baseline, now: float) -> None:
        """Set the weight from the seller's expected flips and the evidence against it.

        g = P(honest) / (1 + A/2), with A the expected flips with a memory of 60 days. As in a random-effects mean, a
        large seller has little more influence than a small one. A suspect loses weight for its flips and for its
        reviews at risk alike.

        Args:
            log_odds: ln R of each watch; empty if there is no evidence.
            baseline: The market of the task.
            now: Epoch seconds.
        """
        expected = total(self.expected)
        decay = math.exp(-(now - self.decayed_at) / WEIGHT_MEMORY_SECONDS)
        self.decayed_expected = self.decayed_expected * decay + expected - self.decayed_total
        self.decayed_at, self.decayed_total = now, expected
        self.log_odds = log_odds
        honest = 1.0 / (1.0 + math.exp(min(max(log_odds, default=-math.inf), 700.0)))
        if self.verdict is not None and self.verdict.confirmed:
            honest = CONFIRMED_HONEST
        weight = honest / (1.0 + self.decayed_expected / 2)
        difference = weight - self.weight
        for number in sorted(self.exposure):
            sums, stratum = self.exposure[number], baseline.strata[number]
            change = difference * (sums.plain + sums.looked_up)
            stratum.weight += change
            stratum.looked_up_weight += difference * sums.looked_up
            baseline.expected_rate += change * stratum.rate
            baseline.looked_up_expected_rate += difference * sums.looked_up * stratum.rate
            stratum.exposure_today -= change * (now - baseline.day_started_at)
        self.weight = weight
