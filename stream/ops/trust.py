"""Whether the outcome of a run can be trusted, judged from its counts.

Invariant: pure; a judgement depends on the counts alone. Each doubt is one sentence with its figure and what to do. The
limits are measured or derived in docs/decisions/0035-doubtful-outcomes.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from stream.core.detector import Detector

#: Of a topic's events: cheats are missed from five times this share on.
MAX_LATE_SHARE: Final = 0.02
#: Refused events are missing from the evidence: above this share of a topic's records.
MAX_REFUSED_SHARE: Final = 0.01
#: More second deliveries than producers' retries explain.
MAX_DUPLICATE_SHARE: Final = 0.05
#: More events with unknown fields than a few odd ones.
MAX_UNKNOWN_FIELDS_SHARE: Final = 0.01
#: Fewer sellers with critical reviews, or fewer flips in a year, are too few for a task to compare.
MIN_SELLERS: Final = 15
MIN_FLIPS_PER_YEAR: Final = 400
#: A shorter history holds too little of a seller's past.
MIN_DAYS: Final = 90
#: Fewer records count as this many: a single one of ten says nothing.
_MIN_EVENTS: Final = 100
_DAYS_PER_YEAR: Final = 365.0
_DAY_SECONDS: Final = 86_400.0

#: The reasons for a doubt; they are labels of a metric, and fields of results.
REASONS: Final = ("late", "refused", "duplicates", "unknown_fields", "short_history", "few_sellers", "few_flips")


class Doubt(msgspec.Struct, frozen=True):
    """A reason not to trust an outcome.

    Attributes:
        reason: One of REASONS.
        text: One sentence with the figure, and what to do.
    """

    reason: str
    text: str


class TaskSize(msgspec.Struct, frozen=True):
    """What a task has to compare.

    Attributes:
        sellers: Sellers with a critical review in the last two years.
        flips: All flips of comparable reviews.
        days: Event time from the first critical review to the latest event, in days.
    """

    sellers: int
    flips: int
    days: float

    @classmethod
    def of(cls, detector: Detector) -> TaskSize:
        """Return the size of a task."""
        state = detector.state
        sellers = [seller for seller in state.sellers.values() if seller.has_had_reviews]
        first = min((seller.first_seen for seller in sellers), default=state.clock)
        return cls(len(sellers), state.baseline.total_flips, (state.clock - first) / _DAY_SECONDS if sellers else 0.0)

    @property
    def flips_per_year(self) -> float:
        """The flips of a year; of a shorter history all of them."""
        return self.flips * min(1.0, _DAYS_PER_YEAR / self.days) if self.days > 0 else float(self.flips)


class Quality(NamedTuple):
    """Counts of what was read. A second delivery repairs nothing, so it belongs to no share but its own.

    Attributes:
        applied: Applied events, by topic or another part of the input.
        refused: Refused records, by the same names.
        late: Applied events that came later than the allowed lateness, by the same names.
        duplicates: Second deliveries.
        unknown_fields: Applied events with fields unknown to the contract.
        lateness_seconds: The allowed lateness.
        scope: What was read, for the sentences.
        late_advice: What to do about late events.
        refused_advice: What to do about refused records.
    """

    applied: Mapping[str, int]
    refused: Mapping[str, int]
    late: Mapping[str, int]
    duplicates: int
    unknown_fields: int
    lateness_seconds: float
    scope: str = "the input"
    late_advice: str = "sort the events by occurred_at (`--sort`), and feed the past before live events."
    refused_advice: str = "correct them as the refusals say, and check again with `volteface feed --check`."


def of_input(quality: Quality) -> list[Doubt]:
    """Return the doubts about the input."""
    records = {
        name: quality.applied.get(name, 0) + quality.refused.get(name, 0)
        for name in {*quality.applied, *quality.refused}
    }
    late = _worst(quality.late, quality.applied, MAX_LATE_SHARE)
    refused = _worst(quality.refused, records, MAX_REFUSED_SHARE)
    doubts = []
    if late:
        text = (
            f"{late} of {quality.scope} came more than {quality.lateness_seconds:g} s of event time behind others, and "
            f"are applied at the wrong time: {quality.late_advice}"
        )
        doubts.append(Doubt("late", text))
    if refused:
        text = f"{refused} of {quality.scope} are refused and count nowhere: {quality.refused_advice}"
        doubts.append(Doubt("refused", text))
    applied = sum(quality.applied.values())
    delivered = applied + quality.duplicates
    if _exceeds(quality.duplicates, MAX_DUPLICATE_SHARE, delivered):
        text = (
            f"{_of(quality.duplicates, delivered)} events of {quality.scope} are dropped as second deliveries of "
            "earlier ones: a file that is fed again does no harm, because nothing counts twice; give different events "
            "different event_ids."
        )
        doubts.append(Doubt("duplicates", text))
    if _exceeds(quality.unknown_fields, MAX_UNKNOWN_FIELDS_SHARE, applied):
        text = (
            f"{_of(quality.unknown_fields, applied)} events of {quality.scope} have fields that the contract does not "
            "know, which are ignored: look for a misspelt optional field; VOLTEFACE_UNKNOWN_FIELDS=refuse names them."
        )
        doubts.append(Doubt("unknown_fields", text))
    return doubts


def _worst(counts: Mapping[str, int], totals: Mapping[str, int], limit: float) -> str:
    """Describe the topics whose share exceeds the limit: few of all records can be all records of one topic."""
    return ", ".join(
        f"{_of(count, totals[name])} {name} records"
        for name, count in sorted(counts.items())
        if _exceeds(count, limit, totals[name])
    )


def _exceeds(count: int, limit: float, total: int) -> bool:
    return count > limit * max(total, _MIN_EVENTS) or 0 < count == total


def of_tasks(tasks: Mapping[int, TaskSize], partitions: int, flips_known: bool = True) -> list[Doubt]:
    """Return the doubts about what tasks have to compare; a task without a seller has nothing to find.

    Args:
        tasks: The known tasks by partition number.
        partitions: The number of all tasks.
        flips_known: Whether the tasks' flips are counted.
    """
    used = [task for task in tasks.values() if task.sellers]
    if not used:
        return [Doubt("few_sellers", "No seller has a critical review, so nothing is compared: check the input.")]
    days = max(task.days for task in used)
    if days < MIN_DAYS:
        text = (
            f"The events span {_floor(days, 1)} days: sellers are compared with their own past, so feed at least "
            f"{MIN_DAYS} days."
        )
        return [Doubt("short_history", text)]  # its flips are few, too, but will become more
    least = [
        ("few_sellers", "sellers with critical reviews", MIN_SELLERS, [float(task.sellers) for task in used]),
        ("few_flips", "flips a year", MIN_FLIPS_PER_YEAR, [task.flips_per_year for task in used]),
    ]
    return [
        _too_few(reason, what, counts, limit, partitions / len(tasks))
        for reason, what, limit, counts in (least if flips_known else least[:1])
        if min(counts) < limit
    ]


def _too_few(reason: str, what: str, counts: list[float], least: int, tasks_per_known: float) -> Doubt:
    few, total = sum(count < least for count in counts), sum(counts) * tasks_per_known
    if total < least or (len(counts) == 1 and tasks_per_known == 1):
        return Doubt(reason, f"There are {_floor(total)} {what}, a comparison needs {least}: few cheats are found.")
    fitting = max(1, int(total // (2 * least)))
    partitions = f"{fitting} partitions" if fitting > 1 else "one partition"
    text = (
        f"{few} of {len(counts)} tasks have too few {what} to compare, one has {_floor(min(counts))}; {least} are "
        f"needed. Use {partitions}, so that a task has {_floor(total / fitting)}."
    )
    return Doubt(reason, text)


def _floor(value: float, digits: int = 0) -> str:
    """Return a figure rounded down: a figure below its limit must not look like the limit."""
    return f"{math.floor(value * 10**digits) / 10**digits:,.{digits}f}".removesuffix(".0")


def _of(count: int, total: int) -> str:
    percent = math.floor(1000 * count / total) / 10  # rounded down: 100% means all
    return f"{percent:g}% ({count:,} of {total:,})"
