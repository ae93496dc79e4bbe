"""The commands that write events of cases: `verdict`, `appeal`, `assign`, `note`.

Invariant: each writes one event, or none and one line that says why. It says that something is recorded only once Kafka
has acknowledged it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_args

import typer

from stream.cli.case_records import record, shown_time
from stream.cli.option_values import check_choices, days_of, shortened
from stream.cli.output import fail
from stream.contract.cases import Case
from stream.contract.events import (
    Appellant,
    CaseAppealed,
    CaseAssigned,
    CaseEvent,
    CaseNoted,
    Story,
    Verdict,
    VerdictRecorded,
)

if TYPE_CHECKING:
    from stream.config import Settings
    from stream.core.cases.transitions import CaseChange

_VERDICTS, _STORIES = get_args(Verdict), get_args(Story)
_APPELLANTS: Final = get_args(Appellant)
_MAX_NOTE: Final = 2000
_OWN_PAST: Final = "what happened so far becomes the subject's own past"

_CaseId = Annotated[str, typer.Argument(metavar="CASE_ID", help="the id or its beginning, see `volteface cases`")]
_Analyst = Annotated[
    str | None, typer.Option(metavar="ID", help="who does this; by default the operating system's user")
]


def _at(what: str) -> Any:
    """Return the option --at; `what` happened then."""
    return typer.Option(metavar="TIME", help=f"when {what}, if not now; RFC 3339 or a date")


def verdict(
    case_id: _CaseId,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help=", ".join(_VERDICTS))],
    story: Annotated[
        str | None, typer.Option(metavar="STORY", help=f"what explains the flips: {', '.join(_STORIES)}")
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="why; it stays with the case")] = None,
    second: Annotated[str | None, typer.Option(metavar="ID", help="the analyst who has confirmed the verdict")] = None,
    alert: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="the latest alert that you have seen, or its beginning; else the case's latest"
        ),
    ] = None,
    mute: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS", help="no alerts for so long, such as 90d; 0d: alerts go on; else the verdict's usual time"
        ),
    ] = None,
    analyst: _Analyst = None,
    at: Annotated[str | None, _at("the case was decided")] = None,
) -> None:
    """Record a verdict on a case."""
    check_choices("VERDICT", [verdict], _VERDICTS)
    check_choices("--story", None if story is None else [story], _STORIES)
    if story is not None and verdict != "explained":
        raise typer.BadParameter(f"--story says what explains the flips: it goes with explained, not with {verdict}")
    if story is None and verdict == "explained":
        raise typer.BadParameter(f"explained needs --story, what explains the flips: {', '.join(_STORIES)}")
    _check_note("--note", note)
    muted_for = None if mute is None else days_of("--mute", mute)
    who = _analyst(analyst)
    if second == who:
        raise typer.BadParameter(f"--second takes another analyst than {who}, who gives the verdict")

    def event(case: Case, fields: dict[str, Any]) -> CaseEvent:
        muted_until = None if muted_for is None else fields["occurred_at"] + muted_for
        return VerdictRecorded(
            **fields,
            alert_id=_seen(case, alert),
            verdict=cast(Verdict, verdict),
            analyst_id=who,
            story=cast(Story | None, story),
            second_analyst_id=second,
            note=note,
            muted_until=muted_until,
        )

    def after(settings: Settings, change: CaseChange) -> str:
        goes_on = "" if muted_for is None or muted_for else "; nothing is muted: alerts on the subject go on"
        return _after_verdict(settings, change) + (goes_on if change.decision is not None else "")

    record(case_id, at, event, after)


def _seen(case: Case, given: str | None) -> str | None:
    """Return the latest alert that the analyst has seen, from the beginning of its id; by default the case's latest."""
    from stream.core.cases.alerts import latest_accusation

    if given is None:
        return latest_accusation(case)
    found = [alert.alert_id for alert in case.alerts if alert.alert_id.startswith(given.strip().lower())]
    if len(found) != 1:
        known = ", ".join(alert.alert_id[:8] for alert in case.alerts[-3:])
        what = "belongs to several alerts" if found else "is no alert"
        fail(f"nothing was recorded: --alert {shortened(given)} {what} of the case, whose latest are {known}")
    return found[0]


def _after_verdict(settings: Settings, change: CaseChange) -> str:
    if change.outcome == "verdict_waits_for_second":
        return (
            f"recorded, but not in force: VOLTEFACE_FOUR_EYES={settings.four_eyes} needs a second analyst, who gives "
            "the same verdict with `volteface verdict`"
        )
    decision = change.decision
    assert decision is not None
    subject_type = change.case.subject.type
    confirmed = {
        "seller": ", and the seller counts as nobody's peer until a later verdict",
        "ring": "; each member's case needs a verdict of its own",
        "reviewer": "; sellers' cases name the reviewer until a later verdict",
    }
    cleared = {
        "ring": "the ring falls apart, and flips before the verdict tie nobody any more",
        "reviewer": "sellers' cases name the reviewer no longer, and its flips before the verdict say nothing",
    }
    innocent = f"the case is decided, and {cleared.get(subject_type, _OWN_PAST)}"
    effects: dict[Verdict, str] = {
        "confirmed": f"the case is decided{confirmed.get(subject_type, '')}",
        "explained": innocent,
        "dismissed": innocent,
        "inconclusive": "the case is decided, and nothing is learned from it",
    }
    muted = "" if decision.muted_until is None else f"; no alerts until {shown_time(decision.muted_until)}"
    return f"recorded; the worker applies it within seconds: {effects[decision.verdict]}{muted}"


def appeal(
    case_id: _CaseId,
    appellant: Annotated[
        str | None,
        typer.Option(metavar="WHO", help=f"{', '.join(_APPELLANTS)}; by default whom the case is about"),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="what the appellant says")] = None,
    at: Annotated[str | None, _at("the verdict was contested")] = None,
) -> None:
    """Record that somebody contests the verdict of a case."""
    check_choices("--appellant", [] if appellant is None else [appellant], _APPELLANTS)
    _check_note("--note", note)

    def after(settings: Settings, change: CaseChange) -> str:
        second = ", confirmed by a second one" if _needs_second_on_appeal(settings, change.case) else ""
        return f"recorded; the worker opens the case again within seconds: another analyst answers the appeal{second}"

    from stream.core.cases.rules import usual_appellant

    def event(case: Case, fields: dict[str, Any]) -> CaseAppealed:
        who = usual_appellant(case.subject.type) if appellant is None else cast(Appellant, appellant)
        return CaseAppealed(**fields, appellant=who, note=note)

    record(case_id, at, event, after)


def _needs_second_on_appeal(settings: Settings, case: Case) -> bool:
    from stream.core.cases.rules import CaseRules

    return CaseRules(settings.four_eyes).needs_second(case.subject.type, "dismissed", on_appeal=True)


def assign(
    case_id: _CaseId,
    to: Annotated[str | None, typer.Option(metavar="ID", help="who has the case now; by default you")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="nobody has it any more")] = False,
    analyst: _Analyst = None,
    at: Annotated[str | None, _at("the case was taken or given")] = None,
) -> None:
    """Take a case, or give it to somebody."""
    if to is not None and nobody:
        raise typer.BadParameter("--to and --nobody exclude each other")
    who = _analyst(analyst)
    assignee = None if nobody else to or who

    def after(settings: Settings, change: CaseChange) -> str:
        return f"recorded; within seconds {'nobody' if assignee is None else assignee} has the case"

    record(case_id, at, lambda _, fields: CaseAssigned(**fields, analyst_id=who, assignee_id=assignee), after)


def note(
    case_id: _CaseId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="the note; in quotes if it has spaces")],
    analyst: _Analyst = None,
    at: Annotated[str | None, _at("what the note says was found")] = None,
) -> None:
    """Write a note to a case."""
    _check_note("TEXT", text)
    who = _analyst(analyst)

    def after(settings: Settings, change: CaseChange) -> str:
        return "recorded; within seconds the note is in the case"

    record(case_id, at, lambda _, fields: CaseNoted(**fields, analyst_id=who, note=text), after)


def _analyst(given: str | None) -> str:
    from stream.ops.audit import user

    return user() if given is None else given


def _check_note(option: str, text: str | None) -> None:
    if text is not None and not text.strip():
        raise typer.BadParameter(f"{option} is empty")
    if text is not None and len(text) > _MAX_NOTE:
        raise typer.BadParameter(f"{option} has {len(text):,} characters: a note has at most {_MAX_NOTE:,}")
