"""A seller as a possible client of a staff member, in the seller's task: expected flips of the reviews looked up.

Invariant: sums of clocks, as in `exposure.StaffExposure`, for one seller. What has been expected is reported with the
seller's flips, because only a seller with flips can be a client. So days without flips cost nothing.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from stream.core.baseline.day_sums import quantize
from stream.core.messages.reports import ClientReport


@mypyc_attr(acyclic=True)
class ClientSums:
    """Sums over one seller's reviews in one stratum that are attributed to a staff member; see `LookupSums`."""

    __slots__ = ("current", "levels", "long_run", "reviews")

    def __init__(self, reviews: int, levels: float, current: float, long_run: float) -> None:
        self.reviews = reviews
        self.levels = levels
        self.current = current
        self.long_run = long_run


@mypyc_attr(acyclic=True)
class ClientExposure:
    """One seller's reviews that one staff member has looked up.

    Args:
        seller_id: The seller.
        actor_id: The staff member.

    Attributes:
        name: Of the state row.
        exposure: Sums by stratum; strata without reviews have no entry.
        expected, expected_long_run: Flips expected by peers and by the long run that are settled and not reported.
        flips: Flips that are not reported.
        first_flip_at, last_flip_at: The first and the last of them, in epoch seconds; 0 without any.
        reported: Whether there was a report, so that what is expected later must be reported, too.
    """

    __slots__ = (
        "actor_id",
        "expected",
        "expected_long_run",
        "exposure",
        "first_flip_at",
        "flips",
        "last_flip_at",
        "name",
        "reported",
        "seller_id",
    )

    def __init__(self, seller_id: str, actor_id: str) -> None:
        self.seller_id = seller_id
        self.actor_id = actor_id
        self.name = client_name(seller_id, actor_id)
        self.exposure: dict[int, ClientSums] = {}
        self.expected = 0.0
        self.expected_long_run = 0.0
        self.flips = 0
        self.first_flip_at = 0.0
        self.last_flip_at = 0.0
        self.reported = False

    def enter(self, stratum_number: int, level: float, clock: float, long_run_clock: float) -> None:
        """Add a review of a seller with a level to a stratum, at the stratum's clocks."""
        sums = self.exposure.get(stratum_number)
        if sums is None:
            sums = self.exposure[stratum_number] = ClientSums(0, 0.0, 0.0, 0.0)
        sums.reviews += 1
        sums.levels += level
        sums.current -= level * clock
        sums.long_run -= level * long_run_clock

    def leave(self, stratum_number: int, level: float, clock: float, long_run_clock: float) -> None:
        """Take a review out of a stratum, at the stratum's clocks."""
        sums = self.exposure[stratum_number]
        sums.reviews -= 1
        sums.levels -= level
        sums.current += level * clock
        sums.long_run += level * long_run_clock
        if not sums.reviews:
            self.expected += sums.current
            self.expected_long_run += sums.long_run
            del self.exposure[stratum_number]

    def settle(self, stratum_number: int, clock: float, long_run_clock: float) -> None:
        """Bring the expected flips of a stratum up to its clocks."""
        sums = self.exposure[stratum_number]
        self.expected += sums.levels * clock + sums.current
        self.expected_long_run += sums.levels * long_run_clock + sums.long_run
        sums.current, sums.long_run = -sums.levels * clock, -sums.levels * long_run_clock

    def record_flip(self, at: float) -> None:
        """Count a flip at `at` (epoch seconds)."""
        if not self.flips:
            self.first_flip_at = at
        self.flips += 1
        self.last_flip_at = at

    def has_report(self) -> bool:
        """Return whether something must be reported at midnight."""
        return self.flips > 0 or (self.reported and not self.exposure)

    def take_report(self) -> ClientReport:
        """Return what has come together, settled up to midnight, and begin anew."""
        report = ClientReport(
            self.seller_id,
            self.flips,
            quantize(self.expected),
            quantize(self.expected_long_run),
            self.first_flip_at,
            self.last_flip_at,
        )
        self.expected = self.expected_long_run = self.first_flip_at = self.last_flip_at = 0.0
        self.flips, self.reported = 0, True
        return report


def client_name(seller_id: str, actor_id: str) -> str:
    """Return the name of the state row of a seller and a staff member."""
    return f"{seller_id} {actor_id}"
