"""The watch list: the subjects with the most evidence below the threshold of an alert.

Invariant: the list is a function of the tasks' states, which it does not change; equal states give equal lists.

A subject is listed while its latest flip is at most MUTE_SECONDS older than the newest clock of all tasks, its
strongest watch is better than even odds and below the threshold, and that watch has raised no alert in this time.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from stream.contract.alerts import Kind, Subject
from stream.core.alerting.alert_fields import utc
from stream.core.alerting.policy import MUTE_SECONDS
from stream.core.detector import Detector
from stream.core.evidence.watches import SELLER_SLACK, SELLER_WATCHES, STAFF_SLACK, log_threshold
from stream.core.model.flips import Flip
from stream.core.staff.watches import STAFF_WATCHES


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list.

    Attributes:
        share: ln R as a share of the threshold's ln R.
        flips: The flips that the state keeps, all of them; for `staff.removals` the critical reviews removed.
        since, latest: Times of the first and the last of these.
    """

    kind: Kind
    subject: Subject
    odds: float
    log_odds: float
    share: float
    flips: int
    since: dt.datetime
    latest: dt.datetime


class _SubjectEvidence(NamedTuple):
    """The strongest watch of one subject in one task; times in epoch seconds."""

    subject: Subject
    kind: Kind
    log_odds: float
    log_threshold: float
    flips: list[Flip]
    alerted_at: float

    def order(self) -> tuple[float, str, str, float]:
        """Sort key: the strongest first, ties by name."""
        return -self.log_odds, self.kind, self.subject.id, self.flips[-1].at


def rank(tasks: Iterable[Detector], budget: float, count: int) -> list[Watched]:
    """Return the watch list.

    Args:
        tasks: The tasks of a market.
        budget: The alert budget, which sets the threshold.
        count: The most lines to return.
    """
    tasks = list(tasks)
    horizon = max((task.state.clock for task in tasks), default=-math.inf) - MUTE_SECONDS
    listed = (
        one
        for one in sorted(_subject_evidence(tasks, budget), key=_SubjectEvidence.order)
        if one.flips[-1].at >= horizon and 0 < one.log_odds < one.log_threshold and one.alerted_at < horizon
    )
    return [_watched(one) for one in islice(listed, count)]


def _subject_evidence(tasks: list[Detector], budget: float) -> Iterator[_SubjectEvidence]:
    """Every subject that has been evaluated, with its strongest watch."""
    seller_threshold, staff_threshold = log_threshold(budget, SELLER_SLACK), log_threshold(budget, STAFF_SLACK)
    for task in tasks:
        for seller in task.state.sellers.values():
            if seller.log_odds:
                number, log_odds = _strongest(seller.log_odds)
                kind = SELLER_WATCHES[number].kind
                yield _SubjectEvidence(
                    Subject("seller", seller.seller_id),
                    kind,
                    log_odds,
                    seller_threshold,
                    seller.flips,
                    seller.alerted_at.get(kind, -math.inf),
                )
        for history in task.state.aggregator.staff.histories.values():
            number, log_odds = _strongest([-math.inf if value is None else value for value in history.log_odds])
            if log_odds > -math.inf:
                watch = STAFF_WATCHES[number]
                yield _SubjectEvidence(
                    Subject("staff", history.actor_id),
                    watch.kind,
                    log_odds,
                    staff_threshold,
                    [finding.flip for finding in watch.evidence(history).latest],
                    history.alerted_at.get(watch.kind, -math.inf),
                )


def _strongest(log_odds: Sequence[float]) -> tuple[int, float]:
    """The number of the watch with the largest ln R, and that ln R."""
    most = max(log_odds, default=-math.inf)
    return (log_odds.index(most) if log_odds else 0), most


def _watched(one: _SubjectEvidence) -> Watched:
    return Watched(
        kind=one.kind,
        subject=one.subject,
        odds=math.exp(one.log_odds),
        log_odds=one.log_odds,
        share=one.log_odds / one.log_threshold,
        flips=len(one.flips),
        since=utc(one.flips[0].at),
        latest=utc(one.flips[-1].at),
    )
