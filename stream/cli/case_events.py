"""The commands that write events of cases: `verdict`, `appeal`, `assign`, `note`.

Invariant: each writes one event, or none and one line that says why. It says that something is recorded only once Kafka
has acknowledged it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast, get_args
from uuid import uuid4

import typer

from stream.cli.connect import connected_settings
from stream.cli.option_values import check_choices, days_of, time_of
from stream.cli.output import fail, say, warn
from stream.contract.cases import Case
from stream.contract.events import (
    CaseAppealed,
    CaseAssigned,
    CaseEvent,
    CaseNoted,
    CaseSubject,
    Story,
    Verdict,
    VerdictRecorded,
)

if TYPE_CHECKING:
    from stream.config import Settings
    from stream.core.cases.transitions import CaseChange

_VERDICTS, _STORIES = get_args(Verdict), get_args(Story)
_Appellant = Literal["seller", "staff", "platform"]
_APPELLANTS: Final = get_args(_Appellant)
_MAX_NOTE: Final = 2000

_CaseId = Annotated[str, typer.Argument(metavar="CASE_ID", help="the id or its beginning, see `volteface cases`")]
_Analyst = Annotated[
    str | None, typer.Option(metavar="ID", help="who does this; by default the operating system's user")
]
_At = Annotated[str | None, typer.Option(metavar="TIME", help="when it was decided, if not now; RFC 3339 or a date")]


def verdict(
    case_id: _CaseId,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help=", ".join(_VERDICTS))],
    story: Annotated[
        str | None, typer.Option(metavar="STORY", help=f"what explains the flips: {', '.join(_STORIES)}")
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="why; it stays with the case")] = None,
    second: Annotated[str | None, typer.Option(metavar="ID", help="the analyst who has confirmed the verdict")] = None,
    mute: Annotated[
        str | None,
        typer.Option(metavar="DAYS", help="no alerts for so long, such as 90d; else the verdict's usual time"),
    ] = None,
    analyst: _Analyst = None,
    at: _At = None,
) -> None:
    """Record a verdict on a case."""
    check_choices("VERDICT", [verdict], _VERDICTS)
    check_choices("--story", None if story is None else [story], _STORIES)
    if story is not None and verdict != "explained":
        raise typer.BadParameter(f"--story says what explains the flips: it goes with explained, not with {verdict}")
    _check_note("--note", note)
    muted_for = None if mute is None else days_of("--mute", mute)
    who = _analyst(analyst)
    if second == who:
        raise typer.BadParameter(f"--second takes another analyst than {who}, who gives the verdict")

    def event(fields: dict[str, Any]) -> CaseEvent:
        muted_until = None if muted_for is None else fields["occurred_at"] + muted_for
        return VerdictRecorded(
            **fields,
            verdict=cast(Verdict, verdict),
            analyst_id=who,
            story=cast(Story | None, story),
            second_analyst_id=second,
            note=note,
            muted_until=muted_until,
        )

    _record(case_id, at, event, _after_verdict)


def _after_verdict(settings: Settings, change: CaseChange) -> str:
    if change.outcome == "verdict_waits_for_second":
        return (
            f"recorded, but not in force: VOLTEFACE_FOUR_EYES={settings.four_eyes} needs a second analyst, who gives "
            "the same verdict with `volteface verdict`"
        )
    decision = change.decision
    assert decision is not None
    no_peer = ", and the seller counts as nobody's peer until a later verdict"
    effects: dict[Verdict, str] = {
        "confirmed": f"the case is decided{no_peer if change.case.subject.type == 'seller' else ''}",
        "explained": "the case is decided, and what happened so far becomes the subject's own past",
        "dismissed": "the case is decided, and what happened so far becomes the subject's own past",
        "inconclusive": "the case is decided, and nothing is learned from it",
    }
    muted = "" if decision.muted_until is None else f"; no alerts until {_shown(decision.muted_until)}"
    return f"recorded; the worker applies it within seconds: {effects[decision.verdict]}{muted}"


def appeal(
    case_id: _CaseId,
    appellant: Annotated[str, typer.Option(metavar="WHO", help=", ".join(_APPELLANTS))] = "seller",
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="what the appellant says")] = None,
    at: _At = None,
) -> None:
    """Record that somebody contests the verdict of a case."""
    check_choices("--appellant", [appellant], _APPELLANTS)
    _check_note("--note", note)

    def after(settings: Settings, change: CaseChange) -> str:
        second = ", confirmed by a second one" if _needs_second_on_appeal(settings, change.case) else ""
        return f"recorded; the worker opens the case again within seconds: another analyst answers the appeal{second}"

    _record(case_id, at, lambda fields: CaseAppealed(**fields, appellant=cast(_Appellant, appellant), note=note), after)


def _needs_second_on_appeal(settings: Settings, case: Case) -> bool:
    from stream.core.cases.rules import CaseRules

    return CaseRules(settings.four_eyes).needs_second(case.subject.type, "dismissed", on_appeal=True)


def assign(
    case_id: _CaseId,
    to: Annotated[str | None, typer.Option(metavar="ID", help="who has the case now; by default you")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="nobody has it any more")] = False,
    analyst: _Analyst = None,
    at: _At = None,
) -> None:
    """Take a case, or give it to somebody."""
    if to is not None and nobody:
        raise typer.BadParameter("--to and --nobody exclude each other")
    who = _analyst(analyst)
    assignee = None if nobody else to or who

    def after(settings: Settings, change: CaseChange) -> str:
        return f"recorded; within seconds {'nobody' if assignee is None else assignee} has the case"

    _record(case_id, at, lambda fields: CaseAssigned(**fields, analyst_id=who, assignee_id=assignee), after)


def note(
    case_id: _CaseId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="the note; in quotes if it has spaces")],
    analyst: _Analyst = None,
    at: _At = None,
) -> None:
    """Write a note to a case."""
    _check_note("TEXT", text)
    who = _analyst(analyst)

    def after(settings: Settings, change: CaseChange) -> str:
        return "recorded; within seconds the note is in the case"

    _record(case_id, at, lambda fields: CaseNoted(**fields, analyst_id=who, note=text), after)


def _record(
    given_id: str,
    given_time: str | None,
    event_of: Callable[[dict[str, Any]], CaseEvent],
    after: Callable[[Settings, CaseChange], str],
) -> None:
    """Write one event of a case and say what follows.

    Args:
        given_id, given_time: As a person wrote them.
        event_of: Returns the event, from the fields that all events of cases have.
        after: Returns what the event does, in words.
    """
    from stream.ops import cases as case_topic

    at = None if given_time is None else time_of("--at", given_time)
    settings, kafka = connected_settings("verdict")
    known = case_topic.read(settings, kafka, warn)
    case = case_topic.find(known.cases, given_id)
    occurred_at = at or case_topic.event_time(case, dt.datetime.now(dt.UTC), known.shift)
    if occurred_at < case.updated_at:
        fail(f"nothing was recorded: --at is before the latest event of the case, of {_shown(case.updated_at, True)}")
    subject = CaseSubject(case.subject.type, case.subject.id)  # type: ignore[arg-type]  # a product has no case
    event = event_of({"event_id": uuid4().hex, "occurred_at": occurred_at, "case_id": case.case_id, "subject": subject})
    change = case_topic.foresee(settings, case, event)
    _refuse(case, change)
    try:
        case_topic.record(settings, kafka, event)
    except case_topic.UnusableEventError as error:
        fail(f"nothing was recorded, because a worker would refuse it: {error}")
    dated = "" if at or not known.shift else f" (dated {_shown(occurred_at, True)}, where the cases' market is now)"
    say(f"case {case.case_id[: case_topic.shown_digits(known.cases)]}: {after(settings, change)}{dated}")


def _refuse(case: Case, change: CaseChange) -> None:
    """End if the worker would change nothing."""
    from stream.core.cases.alerts import in_force

    before = in_force(case)
    name = before.analyst_id if before is not None else ""
    problem = {
        "case_closed": "the case is closed; a new alert on the subject opens a new case",
        "case_has_no_verdict": "the case has no verdict that can be contested",
        "verdict_of_same_analyst": f"{name} gave the verdict that is contested: another analyst answers the appeal",
        "verdict_outdated": "it is older than the verdict in force",
    }.get(change.outcome)
    if problem is not None:
        fail(f"nothing was recorded: {problem}")


def _analyst(given: str | None) -> str:
    from stream.ops.audit import user

    return user() if given is None else given


def _check_note(option: str, text: str | None) -> None:
    if text is not None and not text.strip():
        raise typer.BadParameter(f"{option} is empty")
    if text is not None and len(text) > _MAX_NOTE:
        raise typer.BadParameter(f"{option} has {len(text):,} characters: a note has at most {_MAX_NOTE:,}")


def _shown(at: dt.datetime, with_time: bool = False) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC" if with_time else "%Y-%m-%d")
