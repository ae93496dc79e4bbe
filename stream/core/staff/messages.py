"""The messages on `integrity.evidence.v1`: reports and conclusions of tasks, and the commands of the operator.

Invariant: a report holds what one whole day of event time has added, never a current total. So the aggregator can take
reports in any order, each once. A *reporter* is the task whose reviews a report is about; the *aggregator* is the one
task that evaluates staff. Each task sends and receives a few messages a day, however many tasks there are. Days are
numbered from 1970-01-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from stream.contract.events import Verdicts
from stream.core.baseline.day_sums import DaySums
from stream.core.model.flips import Flip

#: The header with the application's id, by which an application recognises its own messages.
APP_ID_HEADER: Final = "volteface.app_id"

#: The number of the aggregator's task.
AGGREGATOR: Final = 0

#: The most reports and findings in one message: at most 1.2 kB each, so that a message stays below Kafka's 1 MiB.
_MAX_MESSAGE_FINDINGS: Final = 500
#: The most sellers in one report on a staff member; there may be several reports a day.
_MAX_REPORT_CLIENTS: Final = 300


class StaffFinding(msgspec.Struct, array_like=True, gc=False):
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
    latest: list[StaffFinding] = msgspec.field(default_factory=list)
    #: Reviews that the staff member removed, and the open critical ones among them.
    removed: int = 0
    critical: int = 0
    #: The latest removals of critical reviews, MAX_WINDOWS at most.
    latest_removed: list[StaffFinding] = msgspec.field(default_factory=list)
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
    latest: list[StaffFinding] = msgspec.field(default_factory=list)

    @property
    def finding_count(self) -> int:
        """How many findings and links the report lists."""
        return len(self.latest) + len(self.links)


class ReviewerReport(msgspec.Struct, array_like=True, gc=False):
    """One day of one reviewer among a reporter's reviews."""

    reviewer_id: str
    flips: int = 0
    #: The latest flips, MAX_WINDOWS at most.
    latest: list[StaffFinding] = msgspec.field(default_factory=list)
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


class DayRequest(msgspec.Struct, tag="request", kw_only=True):
    """The aggregator asks a task for its reports through a day that another task has reported."""

    reporter: int
    day: int

    @property
    def recipient(self) -> int | None:
        """The number of the task that receives the message."""
        return self.reporter


class Broadcast(msgspec.Struct):
    """A message that every task receives."""

    @property
    def recipient(self) -> int | None:
        """None: the message is for every task."""
        return None


class RingMembers(msgspec.Struct, array_like=True, frozen=True):
    """The members of a ring after a day on which they changed."""

    day: int
    ring_id: str
    #: None once the ring has ended.
    members: list[str]
    #: The members whose prior odds it moves: those without whom it would still be a ring.
    moved: list[str]

    @property
    def id_count(self) -> int:
        """How many ids of sellers it lists."""
        return len(self.members) + len(self.moved)


class WatchedReviewer(msgspec.Struct, array_like=True, frozen=True):
    """The watch on a reviewer begins or ends with a day."""

    day: int
    reviewer_id: str
    is_watched: bool


class NamedReviewer(msgspec.Struct, array_like=True, frozen=True):
    """What a reviewer is found to have turned, after a day on which that changed."""

    day: int
    reviewer_id: str
    #: Seller and id of the latest reviews, MAX_WINDOWS at most; empty once it is named no longer.
    reviews: list[tuple[str, str]]

    @property
    def id_count(self) -> int:
        """How many pairs of ids it lists."""
        return len(self.reviews)


class Conclusion(Broadcast, tag="judged", kw_only=True):
    """The aggregator has evaluated all staff up to the end of a day."""

    day: int
    #: Day, staff member, and the seller that more than three quarters of the kept flips belong to, if there is one.
    accused: list[tuple[int, str, str | None]]
    #: Day and staff member of each accusation that a verdict has withdrawn.
    withdrawn: list[tuple[int, str]] = []
    #: The rings that have changed.
    rings: list[RingMembers] = []
    #: The reviewers on whom the watch has begun or ended, and those whose finding has changed.
    watched: list[WatchedReviewer] = []
    reviewers: list[NamedReviewer] = []


def conclusion_parts(conclusion: Conclusion, before: int) -> Iterator[Conclusion]:
    """Divide a conclusion into parts that fit a message each.

    Args:
        conclusion: The conclusion.
        before: The day that was concluded before it: all parts but the last conclude no further.
    """
    part, size = Conclusion(day=before, accused=[], withdrawn=[]), 0
    changes: Iterator[RingMembers | NamedReviewer] = chain(conclusion.rings, conclusion.reviewers)
    for change in changes:
        size += 1 + change.id_count
        if (part.rings or part.reviewers) and size > _MAX_MESSAGE_FINDINGS:
            yield part
            part, size = Conclusion(day=before, accused=[], withdrawn=[]), 1 + change.id_count
        if isinstance(change, RingMembers):
            part.rings.append(change)
        else:
            part.reviewers.append(change)
    yield msgspec.structs.replace(conclusion, rings=part.rings, reviewers=part.reviewers)


class StaffCaseEvent(msgspec.Struct, tag="case", kw_only=True):
    """An event of a case about a staff member, a ring or a reviewer, from the task whose partition it came in.

    It is sent before that task reports that day, so the aggregator has it when it concludes that day.
    """

    event: Verdicts
    #: The day of the sending task's event clock.
    day: int

    @property
    def recipient(self) -> int | None:
        """The number of the task that receives the message."""
        return AGGREGATOR


class Forget(Broadcast, tag="forget", kw_only=True):
    """A reviewer's id, or pseudonym, must be erased; the operator's command sends it.

    Every task receives it, because any task may hold a review of that reviewer.
    """

    reviewer_id: str


class ReportPart(NamedTuple):
    """Reports that fit a message."""

    staff: list[StaffReport]
    linked: list[LinkedReport]
    reviewers: list[ReviewerReport]


def report_parts(
    staff: Iterable[StaffReport], linked: Iterable[LinkedReport], reviewers: Iterable[ReviewerReport]
) -> Iterator[ReportPart]:
    """Divide a day's reports into parts that fit a message each."""
    part, size = ReportPart([], [], []), 0
    reports: Iterator[StaffReport | LinkedReport | ReviewerReport] = chain(
        chain.from_iterable(map(_divided, staff)), linked, reviewers
    )
    for report in reports:
        size += 1 + report.finding_count
        if any(part) and size > _MAX_MESSAGE_FINDINGS:
            yield part
            part, size = ReportPart([], [], []), 1 + report.finding_count
        if isinstance(report, StaffReport):
            part.staff.append(report)
        elif isinstance(report, LinkedReport):
            part.linked.append(report)
        else:
            part.reviewers.append(report)
    yield part


def _divided(report: StaffReport) -> Iterator[StaffReport]:
    """Divide a report with many sellers: the first part has all sums and findings."""
    yield msgspec.structs.replace(report, clients=report.clients[:_MAX_REPORT_CLIENTS])
    for start in range(_MAX_REPORT_CLIENTS, len(report.clients), _MAX_REPORT_CLIENTS):
        clients = report.clients[start : start + _MAX_REPORT_CLIENTS]
        yield StaffReport(actor_id=report.actor_id, first_seen=report.first_seen, clients=clients)


Message = DayReport | DayRequest | Conclusion | StaffCaseEvent | Forget
encode_message: Final = msgspec.json.Encoder().encode
decode_message: Final = msgspec.json.Decoder(Message).decode
