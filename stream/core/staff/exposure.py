"""The state of a staff member in one task: the looked-up reviews at risk, and the day's flips and removals.

Invariant: a look-up attributes a review to a staff member for 30 days. The review is expected to flip as often as its
stratum, times its seller's level, so that flips that happen anyway are no evidence. Nothing is evaluated here: at each
midnight the day's report goes to the aggregator. What one seller adds is kept in the seller's `ClientExposure`.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from stream.core.baseline.baseline import Baseline
from stream.core.baseline.day_sums import quantize
from stream.core.messages.reports import ClientReport, ReportedFlip, StaffReport
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.model.strata import CONTACT_SECONDS
from stream.core.staff.client_exposure import ClientExposure


@mypyc_attr(acyclic=True)
class LookupSums:
    """Sums over the reviews in one stratum that are attributed to a staff member.

    Args:
        reviews: The number of reviews.
        levels: Sum of their sellers' levels.
        weights: Sum of their sellers' weights.
        current: Minus the sum of levels times the current clock at which the review entered, as in `ExposureSums`.
        current_weighted: The same of the weights.
        long_run: Minus the sum of levels times the long-run clock at which the review entered.
    """

    __slots__ = ("current", "current_weighted", "levels", "long_run", "reviews", "weights")

    def __init__(
        self, reviews: int, levels: float, weights: float, current: float, current_weighted: float, long_run: float
    ) -> None:
        self.reviews = reviews
        self.levels = levels
        self.weights = weights
        self.current = current
        self.current_weighted = current_weighted
        self.long_run = long_run


class StaffExposure:
    """One staff member in one task.

    Args:
        actor_id: The staff member.
        first_seen: Epoch seconds.

    Attributes:
        exposure: Sums by stratum; strata without reviews have no entry.
        clients: By seller, those with attributed reviews, or with flips that are not reported.
        today: The report of the present day, as far as it has come.
    """

    __slots__ = ("actor_id", "clients", "exposure", "first_seen", "today")

    def __init__(self, actor_id: str, first_seen: float) -> None:
        self.actor_id = actor_id
        self.first_seen = first_seen
        self.exposure: dict[int, LookupSums] = {}
        self.clients: dict[str, ClientExposure] = {}
        self.today = StaffReport(actor_id=actor_id, first_seen=first_seen)

    def get_or_add_client(self, seller_id: str) -> ClientExposure:
        """Return what a seller adds to this staff member's expectation."""
        client = self.clients.get(seller_id)
        if client is None:
            client = self.clients[seller_id] = ClientExposure(seller_id, self.actor_id)
        return client

    def enter(self, stratum_number: int, lookup: Lookup, baseline: Baseline, now: float) -> None:
        """Add a review to a stratum, at `now` (epoch seconds)."""
        stratum = baseline.strata[stratum_number]
        sums = self.exposure.get(stratum_number)
        if sums is None:
            sums = self.exposure[stratum_number] = LookupSums(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        clock = stratum.current_clock + stratum.rate * baseline.hazard_ratio
        long_run_clock = stratum.long_run_clock + stratum.rate * (now - baseline.day_started_at)
        sums.reviews += 1
        sums.levels += lookup.level
        sums.weights += lookup.seller_weight
        sums.current -= lookup.level * clock
        sums.current_weighted -= lookup.seller_weight * clock
        sums.long_run -= lookup.level * long_run_clock
        lookup.client.enter(stratum_number, lookup.level, clock, long_run_clock)

    def leave(self, stratum_number: int, lookup: Lookup, baseline: Baseline, now: float) -> None:
        """Take a review out of a stratum, at `now` (epoch seconds)."""
        stratum, sums = baseline.strata[stratum_number], self.exposure[stratum_number]
        clock = stratum.current_clock + stratum.rate * baseline.hazard_ratio
        long_run_clock = stratum.long_run_clock + stratum.rate * (now - baseline.day_started_at)
        sums.reviews -= 1
        sums.levels -= lookup.level
        sums.weights -= lookup.seller_weight
        sums.current += lookup.level * clock
        sums.current_weighted += lookup.seller_weight * clock
        sums.long_run += lookup.level * long_run_clock
        lookup.client.leave(stratum_number, lookup.level, clock, long_run_clock)
        if not sums.reviews:
            self._settle(sums, baseline, 0.0, 0.0)
            del self.exposure[stratum_number]

    def _settle(self, sums: LookupSums, baseline: Baseline, current_clock: float, long_run_clock: float) -> None:
        """Add the flips expected up to these clocks to today's report, and restart the sums there."""
        today = self.today
        today.expected += sums.levels * current_clock + sums.current
        today.looked_up_expected += baseline.day_weight * (sums.weights * current_clock + sums.current_weighted)
        today.expected_long_run += sums.levels * long_run_clock + sums.long_run
        sums.current, sums.current_weighted, sums.long_run = (
            -sums.levels * current_clock,
            -sums.weights * current_clock,
            -sums.levels * long_run_clock,
        )

    def record_flip(self, finding: ReportedFlip, seller_weight: float, baseline: Baseline) -> None:
        """Count a flip of an attributed review.

        The staff member's own flips stay in the expectation: a support desk looks up a good part of all such reviews,
        and the remaining flips would be too few to compare with.

        Args:
            finding: The flip.
            seller_weight: The weight of the review's seller before the flip.
            baseline: The market of the task.
        """
        today = self.today
        today.flips += 1
        today.retracted += finding.flip.retracted
        today.looked_up_flips += baseline.day_weight * seller_weight
        today.latest = [*today.latest, finding][-MAX_WINDOWS:]
        self.clients[finding.seller_id].record_flip(finding.flip.at)

    def record_removal(self, finding: ReportedFlip | None) -> None:
        """Count a removal by the staff member; `finding` describes the removal of a critical review."""
        today = self.today
        today.removed += 1
        if finding is not None:
            today.critical += 1
            today.latest_removed = [*today.latest_removed, finding][-MAX_WINDOWS:]

    def close_day(self, baseline: Baseline, midnight: float) -> StaffReport:
        """End a day and begin the next.

        Args:
            baseline: The market of the task; it has not passed the midnight yet.
            midnight: The end of the day, in epoch seconds.

        Returns:
            The day's report.
        """
        for number in sorted(self.exposure):
            stratum = baseline.strata[number]
            long_run_clock = stratum.long_run_clock + stratum.rate * (midnight - baseline.day_started_at)
            self._settle(
                self.exposure[number],
                baseline,
                stratum.current_clock + stratum.rate * baseline.hazard_ratio,
                long_run_clock,
            )
        report = self.today
        report.clients = self._close_clients(baseline, midnight)
        report.expected, report.expected_long_run = quantize(report.expected), quantize(report.expected_long_run)
        report.looked_up_flips, report.looked_up_expected = (
            quantize(report.looked_up_flips),
            quantize(report.looked_up_expected),
        )
        self.today = StaffReport(actor_id=self.actor_id, first_seen=self.first_seen)
        return report

    def _close_clients(self, baseline: Baseline, midnight: float) -> list[ClientReport]:
        """Report the sellers with new flips and those whose attributed reviews have ended, and drop the latter."""
        reports: list[ClientReport] = []
        for seller_id in sorted(self.clients):
            client = self.clients[seller_id]
            if client.has_report():
                for number in sorted(client.exposure):
                    stratum = baseline.strata[number]
                    client.settle(
                        number,
                        stratum.current_clock + stratum.rate * baseline.hazard_ratio,
                        stratum.long_run_clock + stratum.rate * (midnight - baseline.day_started_at),
                    )
                reports.append(client.take_report())
            if not client.exposure:
                del self.clients[seller_id]
        return reports


@mypyc_attr(acyclic=True)
class Lookup:
    """A staff member's look-up of a review.

    Args:
        staff: The staff member.
        client: The review's seller, as a possible client of the staff member.
        at: Epoch seconds.
        level: The level of the review's seller outside looked-up reviews, 1 at least, when the look-up was first seen.
        seller_weight: The weight of that seller at the same time.
        has_purpose: Whether the look-up names a purpose.
    """

    __slots__ = ("at", "client", "has_purpose", "level", "seller_weight", "staff")

    def __init__(
        self,
        staff: StaffExposure,
        client: ClientExposure,
        at: float,
        level: float,
        seller_weight: float,
        has_purpose: bool,
    ) -> None:
        self.staff = staff
        self.client = client
        self.at = at
        self.level = level
        self.seller_weight = seller_weight
        self.has_purpose = has_purpose

    def is_active(self, now: float) -> bool:
        """Return whether the look-up still attributes the review to the staff member at `now` (epoch seconds)."""
        return now < self.at + CONTACT_SECONDS
