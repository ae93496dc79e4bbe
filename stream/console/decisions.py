"""What people do in the console: from a form to an event of a case, and to the log.

Invariant: the same rules as the worker's. An event whose outcome would be no change is not written, and an event that
is written once is not written again: its id comes with the form.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from stream.config import Settings
from stream.console.access.roles import User
from stream.console.case_view import latest_verdict
from stream.console.journal import Journal
from stream.console.source.read_model import ReadModel
from stream.contract.cases import Case
from stream.contract.events import (
    Appellant,
    CaseAppealed,
    CaseAssigned,
    CaseEvent,
    CaseNoted,
    CaseSubject,
    Story,
    Verdict,
    VerdictRecorded,
)
from stream.core.cases.rules import usual_appellant
from stream.core.cases.transitions import Outcome
from stream.ops import cases as case_topic

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
STORIES: Final[tuple[Story, ...]] = get_args(Story)
APPELLANTS: Final[tuple[Appellant, ...]] = get_args(Appellant)
MAX_NOTE: Final = 2_000
MAX_MUTE_DAYS: Final = 3650
_ANSWERS: Final = {"yes": "yes", "no": "no", "unknown": "not known"}


class RefusedError(Exception):
    """A decision that is not taken; the message is a sentence for the person who made it."""


class Done(NamedTuple):
    """An event that was written, and what it will do."""

    event: CaseEvent
    outcome: Outcome


class Decisions:
    """Writes decisions.

    Args:
        settings: The rules of cases.
        read_model: The cases.
        journal: Where events go.
        market_now: Returns the present time in the market's event time.
    """

    def __init__(
        self, settings: Settings, read_model: ReadModel, journal: Journal, market_now: Callable[[], dt.datetime]
    ) -> None:
        self._settings, self._read_model, self._journal = settings, read_model, journal
        self._market_now = market_now

    def verdict(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Record a verdict.

        Args:
            user: Who decides.
            case_id: The case.
            form: event_id, verdict, story, note, mute_days, the answers check-0, check-1, ..., and alert_id: the
                latest alert that the person has seen.

        Raises:
            RefusedError: Nothing was written.
        """
        case = self._case(case_id)
        fields: dict[str, Any] = {"verdict": form.get("verdict", ""), "analyst_id": user.id, "note": _note(case, form)}
        if form.get("alert_id"):
            fields["alert_id"] = form["alert_id"]
        if fields["verdict"] not in VERDICTS:
            raise RefusedError("Choose one of the four verdicts.")
        if fields["verdict"] == "explained":
            if form.get("story", "") not in STORIES:
                raise RefusedError("An explained case needs its innocent story: choose one.")
            fields["story"] = form["story"]
        self._check_seen(user, case, form)
        at = self._now(case)
        days = form.get("mute_days", "").strip()
        if days:
            if not (days.isascii() and days.isdigit() and int(days) <= MAX_MUTE_DAYS):
                raise RefusedError(f"Alerts can be muted for 0 to {MAX_MUTE_DAYS:,} days.")
            fields["muted_until"] = at + dt.timedelta(days=int(days))
        return self._record(case, VerdictRecorded(**self._common(case, form, at), **fields))

    def assign(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Give a case to `assignee`, or to nobody if that is empty."""
        case = self._case(case_id)
        assignee = form.get("assignee", "").strip() or None
        if assignee is not None and any(not each.isprintable() or each.isspace() for each in assignee):
            raise RefusedError("An assignee is an id without spaces.")
        if assignee != user.id and not user.may("lead") and not (assignee is None and case.assignee == user.id):
            raise RefusedError("Only a lead gives a case to somebody else, or takes it from somebody.")
        common = self._common(case, form, self._now(case))
        return self._record(case, CaseAssigned(**common, analyst_id=user.id, assignee_id=assignee))

    def note(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Write a note."""
        case = self._case(case_id)
        text = form.get("note", "").strip()
        if not text:
            raise RefusedError("The note is empty.")
        common = self._common(case, form, self._now(case))
        return self._record(case, CaseNoted(**common, analyst_id=user.id, note=_limited(text)))

    def appeal(self, user: User, case_id: str, form: Mapping[str, str]) -> Done:
        """Record that somebody contests the verdict; the note names who recorded it."""
        case = self._case(case_id)
        appellant = form.get("appellant", usual_appellant(case.subject.type))
        if appellant not in APPELLANTS:
            raise RefusedError("The seller, a staff member, the reviewer or the platform can contest a verdict.")
        text = form.get("note", "").strip()
        note = _limited(f"{text} (recorded by {user.id})".strip())
        common = self._common(case, form, self._now(case))
        return self._record(case, CaseAppealed(**common, appellant=appellant, note=note))

    def _check_seen(self, user: User, case: Case, form: Mapping[str, str]) -> None:
        """Refuse a verdict over one that the person has not seen: it would replace it without a word."""
        latest = latest_verdict(self._read_model.events_of(case.case_id))
        unseen = latest is not None and latest.event_id not in {form.get("seen_verdict"), form.get("event_id")}
        if latest is not None and unseen and "seen_verdict" in form:
            who = "you" if latest.analyst_id == user.id else latest.analyst_id
            raise RefusedError(
                f"Since you opened the page {who} decided: {latest.verdict}. Nothing was recorded. Load the page again "
                "if you want to replace that."
            )

    def _case(self, case_id: str) -> Case:
        case = self._read_model.case(case_id)
        if case is None:
            raise RefusedError("There is no such case any more.")
        return case

    def _now(self, case: Case) -> dt.datetime:
        return max(self._market_now(), case.updated_at)

    @staticmethod
    def _common(case: Case, form: Mapping[str, str], at: dt.datetime) -> dict[str, Any]:
        event_id = form.get("event_id", "")
        if not (len(event_id) == 32 and set(event_id) <= set("0123456789abcdef")):
            raise RefusedError("The form is not complete: load the page again.")
        subject = CaseSubject(case.subject.type, case.subject.id)  # type: ignore[arg-type]  # a product has no case
        return {"event_id": event_id, "occurred_at": at, "case_id": case.case_id, "subject": subject}

    def _record(self, case: Case, event: CaseEvent) -> Done:
        written = self._read_model.event(event.event_id)
        change = case_topic.foresee(self._settings, case, event)
        if written is not None:  # the form was sent twice
            return Done(written.event, change.outcome)
        problem = _refusal(change.outcome)
        if problem is not None:
            raise RefusedError(problem)
        try:
            self._journal.record(event)
        except case_topic.UnusableEventError as error:
            raise RefusedError(f"Nothing was recorded: {error}") from None
        return Done(event, change.outcome)


def _refusal(outcome: Outcome) -> str | None:
    return {
        "case_closed": "The case is closed. A new alert on the subject opens a new one.",
        "case_has_no_verdict": "The case has no verdict that can be contested.",
        "verdict_of_same_analyst": "Who gave a verdict cannot answer the appeal against it: another analyst does.",
        "verdict_before_evidence": "A new alert came while you read. Look at the case again, then decide.",
        "appeal_outdated": "A later verdict is in force already.",
        "verdict_outdated": "A later verdict is in force already.",
    }.get(outcome)


def _note(case: Case, form: Mapping[str, str]) -> str | None:
    """Return the note of a verdict: the answers to the questions of the case, then the analyst's text."""
    lines = [
        f"{question} {_ANSWERS[answer]}."
        for number, question in enumerate(case.checks)
        if (answer := form.get(f"check-{number}", "")) in _ANSWERS
    ]
    text = form.get("note", "").strip()
    whole = "\n".join([*lines, *([text] if text else [])])
    return _limited(whole) if whole else None


def _limited(text: str) -> str:
    if len(text) > MAX_NOTE:
        raise RefusedError(f"The note has {len(text):,} characters with the answers; at most {MAX_NOTE:,} are kept.")
    return text
