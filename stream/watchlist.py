"""The watch list: whom the evidence leans against, but not far enough for an alert.

Rule of this room: pure; it reads the states of the tasks and changes nothing, and equal states give equal lists. All
that stands on it is in the state: no name is looked up, no sentence made, nobody accused.

A subject is on it while its latest flip is at most 30 days older than the newest clock of all tasks, where its loudest
watch speaks for it at all (better than even odds), stays below the threshold, and has raised no alert in these days.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from stream.alerts import Kind, Subject
from stream.core.cases import PAUSE_SECONDS
from stream.core.detector import Detector
from stream.core.flips import Flip
from stream.core.telling import instant
from stream.core.watches import SELLER_SLACK, SELLER_WATCHES, STAFF_SLACK, STAFF_WATCHES, log_threshold

_SELLER_KINDS: Final[tuple[Kind, ...]] = tuple(watch.kind for watch in SELLER_WATCHES)


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list; `share` is how far ln R is on its way to the threshold.

    `flips` are those that the state keeps, since `since`, innocent and other ones alike; for `staff.removals` they are
    critical reviews that the member of staff removed.
    """

    kind: Kind
    subject: Subject
    odds: float
    log_odds: float
    share: float
    flips: int
    since: dt.datetime
    latest: dt.datetime


class _Account(NamedTuple):
    """What one task knows of a subject, and how its loudest watch stands."""

    subject: Subject
    kind: Kind
    log_odds: float
    threshold: float
    flips: list[Flip]
    alerted_at: float

    def order(self) -> tuple[float, str, str, float]:
        """The strongest first; what is equal in that lies in the order of its names."""
        return -self.log_odds, self.kind, self.subject.id, self.flips[-1].at


def rank(tasks: Iterable[Detector], budget: float, count: int) -> list[Watched]:
    """The `count` subjects with the most evidence below the threshold, the strongest first."""
    tasks = list(tasks)
    horizon = max((task.clock for task in tasks), default=-math.inf) - PAUSE_SECONDS
    listed = (
        one
        for one in sorted(_accounts(tasks, budget), key=_Account.order)
        if one.flips[-1].at >= horizon and 0 < one.log_odds < one.threshold and one.alerted_at < horizon
    )
    return [_watched(one) for one in islice(listed, count)]


def _accounts(tasks: list[Detector], budget: float) -> Iterator[_Account]:
    """The accounts that have evidence, of all tasks."""
    seller_threshold, staff_threshold = log_threshold(budget, SELLER_SLACK), log_threshold(budget, STAFF_SLACK)
    for task in tasks:
        for seller in task.sellers.values():
            if seller.log_odds:
                kind, log_odds, alerted_at = _loudest(seller.log_odds, seller.alerted_at, _SELLER_KINDS)
                subject = Subject("seller", seller.seller_id)
                yield _Account(subject, kind, log_odds, seller_threshold, seller.flips, alerted_at)
        for one in task.panel.dossiers.values():
            said = [-math.inf if value is None else value for value in one.log_odds]
            kind, log_odds, alerted_at = _loudest(said, one.alerted_at, STAFF_WATCHES)
            account = one.removals if kind == "staff.removals" else one.flips
            if log_odds > -math.inf:
                subject = Subject("staff", one.actor_id)
                flips = [told.flip for told in account.latest]
                yield _Account(subject, kind, log_odds, staff_threshold, flips, alerted_at)


def _loudest(log_odds: list[float], alerted_at: dict[str, float], kinds: tuple[Kind, ...]) -> tuple[Kind, float, float]:
    """The watch that has the most to say, its ln R, and when it was last heard in an alert."""
    most = max(log_odds)
    kind = kinds[log_odds.index(most)]
    return kind, most, alerted_at.get(kind, -math.inf)


def _watched(one: _Account) -> Watched:
    return Watched(
        kind=one.kind,
        subject=one.subject,
        odds=math.exp(one.log_odds),
        log_odds=one.log_odds,
        share=one.log_odds / one.threshold,
        flips=len(one.flips),
        since=instant(one.flips[0].at),
        latest=instant(one.flips[-1].at),
    )
