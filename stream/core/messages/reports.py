"""What a task reports of a day to the aggregator, the task that evaluates what all tasks know.

Invariant: a report holds what one whole day of event time has added, never a current total. So the aggregator can take
reports in any order, each once. A *reporter* is the task whose reviews a report is about. Days are numbered from
1970-01-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from stream.core.baseline.day_sums import DaySums
from stream.core.messages.division import in_parts
from stream.core.model.flips import Flip

#: The number of the aggregator's task.
AGGREGATOR: Final = 0

#: The most sellers in one report on a staff member; there may be several reports a day.
_MAX_REPORT_CLIENTS: Final = 300


class ReportedFlip(msgspec.Struct, array_like=True, gc=False):
    """One flip, or one critical review that a staff member removed, with its seller."""

    seller_id: str
    #: The event of the flip or removal.
    event_id: str
    #: The pattern score of the flip, 0 to 1; None for a removal.
    percentile: float | None
    flip: Flip


class ClientReport(msgspec.Struct, array_like=True, gc=False):
    """Flips of one seller's reviews that a staff member looked up, and the flips expected since the report before."""

    seller_id: str
    flips: int
    #: By peers, and by the long run; not multiplied by the looked-up ratio.
    expected: float
    expected_long_run: float
    #: Epoch seconds; 0 without flips.
    first_flip_at: float
    last_flip_at: float


class StaffReport(msgspec.Struct, kw_only=True, rename={"expected_long_run": "expected_long"}):
    """One day of one staff member among a reporter's reviews."""

    actor_id: str
    #: When the reporter first saw the staff member, in epoch seconds.
    first_seen: float
    #: Flips of looked-up reviews, and the deletions by authors among them.
    flips: int = 0
    retracted: int = 0
    #: Flips expected of looked-up reviews by peers, and by the long run: numbers of flips, not weighted, and not
    #: multiplied by the looked-up ratio.
    expected: float = 0.0
    expected_long_run: float = 0.0
    #: The staff member's part of the market's sums, see `DaySums`: in seller weights, times the day's forward-decay
    #: weight.
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    #: The latest flips, MAX_WINDOWS at most.
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)
    #: Reviews that the staff member removed, and the open critical ones among them.
    removed: int = 0
    critical: int = 0
    #: The latest removals of critical reviews, MAX_WINDOWS at most.
    latest_removed: list[ReportedFlip] = msgspec.field(default_factory=list)
    #: The sellers with flips on this day, and those whose looked-up reviews have ended.
    clients: list[ClientReport] = msgspec.field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the day adds nothing."""
        return not (self.flips or self.removed or self.expected or self.expected_long_run or self.clients)

    @property
    def finding_count(self) -> int:
        """How many findings and sellers the report lists."""
        return len(self.latest) + len(self.latest_removed) + len(self.clients)


class LinkedReport(msgspec.Struct, array_like=True, gc=False):
    """What a reporter knows at the end of a day about a seller that the platform links to others.

    A later report takes the place of an earlier one. There is one when the seller has a new flip or a new link.
    """

    seller_id: str
    #: The relation of each link, by its id.
    links: dict[str, str]
    #: Flips of the seller's strongest window, flips that peers expect in it, and the natural log of the Bayes factor.
    flips: int = 0
    expected: float = 0.0
    log_factor: float = 0.0
    #: Epoch seconds; 0 without flips.
    first_flip_at: float = 0.0
    last_flip_at: float = 0.0
    #: The flips since the report before, MAX_WINDOWS at most.
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)

    @property
    def finding_count(self) -> int:
        """How many findings and links the report lists."""
        return len(self.latest) + len(self.links)


class ReviewerReport(msgspec.Struct, array_like=True, gc=False):
    """One day of one reviewer among a reporter's reviews."""

    reviewer_id: str
    flips: int = 0
    #: The latest flips, MAX_WINDOWS at most.
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)
    #: The critical reviews that were open when the watch on the reviewer began, and those written since; None if it is
    #: not watched.
    critical: int | None = None

    @property
    def finding_count(self) -> int:
        """How many findings the report lists."""
        return len(self.latest)


class DayReport(msgspec.Struct, tag="day", kw_only=True, rename={"reporter": "writer"}):
    """A reporter has reported all days up to `through`; sums and staff are those of `day`.

    An idle task announces the furthest day of any task if the aggregator asks for it, so that no task waits for the
    idle one. If input arrives after all, the task withdraws that announcement: then `through` is smaller than before.
    """

    #: The number of the reporting task.
    reporter: int
    day: int
    through: int
    sums: DaySums = msgspec.field(default_factory=DaySums)
    #: The staff members for whom the day adds anything.
    staff: list[StaffReport] = msgspec.field(default_factory=list)
    #: The linked sellers about whom there is something new.
    linked: list[LinkedReport] = msgspec.field(default_factory=list)
    #: The reviewers of whom there is something new, if reviewers are watched.
    reviewers: list[ReviewerReport] = msgspec.field(default_factory=list)
    #: A day with much to report has several messages, numbered from 0.
    part: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the day adds nothing."""
        return self.sums.is_empty and not self.staff and not self.linked and not self.reviewers

    @property
    def recipient(self) -> int | None:
        """The number of the task that receives the message."""
        return AGGREGATOR


class ReportPart(NamedTuple):
    """Reports that fit a message."""

    staff: list[StaffReport]
    linked: list[LinkedReport]
    reviewers: list[ReviewerReport]


def report_parts(
    staff: Iterable[StaffReport], linked: Iterable[LinkedReport], reviewers: Iterable[ReviewerReport]
) -> Iterator[ReportPart]:
    """Divide a day's reports into parts that fit a message each; there is one at least."""
    reports: Iterable[StaffReport | LinkedReport | ReviewerReport] = chain(
        chain.from_iterable(map(_divided, staff)), linked, reviewers
    )
    for part in in_parts(reports, lambda report: report.finding_count):
        yield ReportPart(
            [one for one in part if isinstance(one, StaffReport)],
            [one for one in part if isinstance(one, LinkedReport)],
            [one for one in part if isinstance(one, ReviewerReport)],
        )


def _divided(report: StaffReport) -> Iterator[StaffReport]:
    """Divide a report with many sellers: the first part has all sums and findings."""
    yield msgspec.structs.replace(report, clients=report.clients[:_MAX_REPORT_CLIENTS])
    for start in range(_MAX_REPORT_CLIENTS, len(report.clients), _MAX_REPORT_CLIENTS):
        clients = report.clients[start : start + _MAX_REPORT_CLIENTS]
        yield StaffReport(actor_id=report.actor_id, first_seen=report.first_seen, clients=clients)
