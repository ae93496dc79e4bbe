"""What an alert says, from what a watch has found: numbers, names and times, in the contract's fields.

Rule of this room: nothing is weighed here, and nothing is said that the watch did not see.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, NamedTuple

from stream.alerts import Evidence, Kind, Link, Point, Subject, SubjectType
from stream.core.evidence import Verdict
from stream.core.flips import Flip

#: Reviews, and others who have to do with them, that are named in an alert.
REVIEWS_NAMED: Final = 50
LINKS_NAMED: Final = 20
#: Beyond this, odds are only "more"; it keeps numbers finite in JSON.
LOG_ODDS_CAP: Final = 300.0


class Story(NamedTuple):
    """What is told of a subject: its accused flips in the window that speaks loudest.

    number: how many there are, of which only the latest are kept. times: of all flips of the window, as the verdict's
    course is.
    """

    kind: Kind
    subject: Subject
    number: int
    flips: list[Flip]
    linked: list[Link]
    times: Sequence[float]
    verdict: Verdict
    event_id: str
    now: float
    patterns: dict[str, float]


def evidence_of(story: Story, log_least: float) -> Evidence:
    """The evidence as the alert shows it; log_least: ln R that it had to reach."""
    flips, verdict = story.flips, story.verdict
    hours = [flip.contact_hours for flip in flips if flip.contact_hours is not None]
    retracted = sum(flip.retracted for flip in flips)
    removed = story.kind == "staff.removals"  # then nobody changed his or her mind
    series = _series(story.times, verdict)
    return Evidence(
        flips=story.number,
        expected=verdict.expected,
        ratio=story.number / verdict.expected,
        odds=math.exp(min(verdict.log_odds, LOG_ODDS_CAP)),
        threshold=math.exp(log_least),
        since=min(instant(flips[0].at), series[0].at),  # the first ones may not be kept any more
        stars_moved=sum(flip.stars for flip in flips),
        upgraded=0 if removed else len(flips) - retracted,
        retracted=retracted,
        median_hours_from_contact=median(hours) if hours else None,
        incentives=sum(flip.incentive for flip in flips),
        review_ids=[flip.review_id for flip in flips[-REVIEWS_NAMED:]],
        event_ids=[story.event_id],
        series=series,
        linked=story.linked,
    )


def links(kind: SubjectType, names: Iterable[str]) -> list[Link]:
    """Those who are named most often, once for each flip."""
    counted = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    return [Link(kind, name, count) for name, count in counted[:LINKS_NAMED]]


def _series(times: Sequence[float], verdict: Verdict) -> list[Point]:
    """A point for each flip that counted."""
    points: list[Point] = []
    for at, (flips, expected) in zip(times, verdict.course, strict=True):
        if flips > (points[-1].flips if points else 0):
            points.append(Point(instant(at), round(flips), expected))
    return points


def instant(at: float) -> dt.datetime:
    """Epoch seconds as a time in UTC."""
    return dt.datetime.fromtimestamp(at, dt.UTC)
