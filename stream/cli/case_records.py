"""Writes one event of a case for a command, and says what follows.

Invariant: one event, or none and one line that says why. It says that something is recorded only once Kafka has
acknowledged it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from stream.cli.connect import connected_settings
from stream.cli.option_values import time_of
from stream.cli.output import fail, say, warn
from stream.contract.cases import Case
from stream.contract.events import CaseEvent, CaseSubject

if TYPE_CHECKING:
    from stream.config import Settings
    from stream.core.cases.transitions import CaseChange
    from stream.ops.market_time import MarketTime

#: How far after the time of a replayed market an event may be dated.
_MAX_AHEAD: Final = dt.timedelta(days=1)


def record(
    given_id: str,
    given_time: str | None,
    event_of: Callable[[Case, dict[str, Any]], CaseEvent],
    after: Callable[[Settings, CaseChange], str],
) -> None:
    """Write one event of a case and say what follows.

    Args:
        given_id, given_time: As a person wrote them.
        event_of: Returns the event, from its case and the fields that all events of cases have.
        after: Returns what the event does, in words.
    """
    from stream.ops import cases as case_topic
    from stream.ops.market_time import LIVE, market_time

    at = None if given_time is None else time_of("--at", given_time)
    settings, kafka = connected_settings("verdict")
    known = case_topic.read(settings, kafka, warn)
    case = case_topic.find(known.cases, given_id)
    market = LIVE if known.newest is None else market_time(settings, kafka, *known.newest)
    now = case_topic.event_time(case, dt.datetime.now(dt.UTC), market.shift)
    occurred_at = at or now
    _check_time(case, occurred_at, now, market)
    subject = CaseSubject(case.subject.type, case.subject.id)  # type: ignore[arg-type]  # a product has no case
    fields = {"event_id": uuid4().hex, "occurred_at": occurred_at, "case_id": case.case_id, "subject": subject}
    event = event_of(case, fields)
    change = case_topic.foresee(settings, case, event)
    _refuse(case, change)
    try:
        case_topic.record(settings, kafka, event)
    except case_topic.UnusableEventError as error:
        fail(f"nothing was recorded, because a worker would refuse it: {error}")
    dated = "" if at or not market.shift else _dated(occurred_at, market)
    say(f"case {case.case_id[: case_topic.shown_digits(known.cases)]}: {after(settings, change)}{dated}")


def _check_time(case: Case, at: dt.datetime, now: dt.datetime, market: MarketTime) -> None:
    """End if an event would be before its case, or far after the time of a replayed market."""
    if at < case.updated_at:
        fail(
            f"nothing was recorded: --at is before the latest event of the case, of {shown_time(case.updated_at, True)}"
        )
    if market.shift and market.is_reached and at > now + _MAX_AHEAD:
        fail(
            f"nothing was recorded: --at is more than a day after the time of the market, {shown_time(now, True)}, and "
            "reviews from before it would come late: give an earlier time, or none"
        )


def _dated(at: dt.datetime, market: MarketTime) -> str:
    """Return when an event in a replayed market happens, and what that follows from."""
    if market.is_reached:
        return f" (dated {shown_time(at, True)}, where the cases' market is now)"
    return (
        f" (dated {shown_time(at, True)}, by the newest case: the input topics cannot be read by this user, so the "
        "market may have come further)"
    )


def _refuse(case: Case, change: CaseChange) -> None:
    """End if the worker would change nothing."""
    from stream.core.cases.alerts import in_force

    before = in_force(case)
    people = [] if before is None else [before.analyst_id, before.second_analyst_id]
    names = " and ".join(name for name in people if name is not None)
    problem = {
        "case_closed": "the case is closed; a new alert on the subject opens a new case",
        "case_has_no_verdict": "the case has no verdict that can be contested",
        "verdict_of_same_analyst": f"{names} gave the verdict that is contested: another analyst answers the appeal",
        "verdict_outdated": "it is older than the case or the verdict in force",
        "verdict_before_evidence": (
            f"the case has a newer alert, so the verdict would have no effect: see `volteface case {case.case_id[:8]}`"
        ),
        "appeal_outdated": "it is older than the verdict in force",
    }.get(change.outcome)
    if problem is not None:
        fail(f"nothing was recorded: {problem}")


def shown_time(at: dt.datetime, with_time: bool = False) -> str:
    """Return a day, or a time, as a person reads it."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC" if with_time else "%Y-%m-%d")
