"""The pages that are read: the queue, a case, a subject, the statement of reasons, help.

Invariant: a page never waits for Kafka. Everything comes from the read model.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.templating import Jinja2Templates

from stream.console import case_view, pictures, ring_view
from stream.console.access.roles import User
from stream.console.bulk import BulkJobs
from stream.console.decisions import APPELLANTS, MAX_NOTE, STORIES, VERDICTS
from stream.console.odds_bars import groups
from stream.console.queue_filter import KINDS, ORDERS, PAGE_SIZE, SEVERITIES, STATES, SUBJECT_TYPES, QueueFilter
from stream.console.services import Services
from stream.contract.cases import Case
from stream.contract.events import CaseAssigned
from stream.core.cases.alerts import in_force
from stream.core.cases.rules import usual_appellant
from stream.core.cases.transitions import waiting_verdict
from stream.offline.extortion_words import extorted_sentence, named_no_more
from stream.offline.memberships import memberships
from stream.offline.ring_words import shown_members
from stream.ops import statement

_STATEMENT_TYPES: Final = {"html": ("text/html", statement.html), "md": ("text/markdown", statement.markdown)}


class Pages:
    """Draws pages.

    Args:
        services: What the console consists of.
        templates: The pages' templates.
        jobs: Decisions over several cases.
    """

    def __init__(self, services: Services, templates: Jinja2Templates, jobs: BulkJobs) -> None:
        self._services, self._templates, self._jobs = services, templates, jobs

    def render(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        return self._templates.TemplateResponse(
            request,
            name,
            {
                "user": user_of(request),
                "services": self._services,
                "csrf": request.state.csrf,
                "job": self._jobs.shown(user_of(request)),
                **values,
            },
            status_code=status,
        )

    def queue(self, request: Request) -> Response:
        """Show the cases that a filter selects."""
        chosen = QueueFilter.of(request.query_params)
        where, order, values = chosen.sql()
        model = self._services.read_model
        total = model.count(where, values)
        if (chosen.page - 1) * PAGE_SIZE >= max(total, 1):
            return RedirectResponse(chosen.address(page=max(1, -(-total // PAGE_SIZE))), 303)
        cases = model.select(where, order, values, PAGE_SIZE, (chosen.page - 1) * PAGE_SIZE)
        pages = max(1, -(-total // PAGE_SIZE))
        return self.render(
            request,
            "queue.html",
            chosen=chosen,
            total=total,
            pages=pages,
            rows=_rows(cases),
            choices={
                "state": STATES,
                "kind": KINDS,
                "severity": SEVERITIES,
                "subject_type": SUBJECT_TYPES,
                "order": ORDERS,
            },
            health=self._services.health.line(),
            stories=STORIES,
            now=self._services.source.market_now(),
        )

    def line(self, request: Request) -> Response:
        """Show the line of health alone, which a list asks for now and then."""
        return self.render(request, "health.html", health=self._services.health.line())

    def case(self, request: Request) -> Response:
        """Show a case."""
        case = self._services.read_model.case(request.path_params["case_id"])
        if case is None:
            return self.missing(request)
        self._services.note_reading(user_of(request), case)
        model = self._services.read_model
        events = model.events_of(case.case_id)
        case = case_view.with_pending_assignee(case, events, dt.datetime.now(dt.UTC))
        members = [member.seller_id for member in shown_members(case)]
        reviewers = [one.reviewer_id for one in case.extorted]
        linked = model.cases_of([*members, *reviewers, *(link.id for link in case.linked)])
        return self.render(
            request,
            "case.html",
            case=case,
            claim=case_view.claim(case),
            badges=case_view.badges(case),
            picture=pictures.evidence(case, case_view.marks(case)),
            ring=ring_view.ring_section(case, linked),
            memberships=memberships(case.subject, model.rings_of(case.subject)),
            extorted=[
                (extorted_sentence(one, case), _others(case, "reviewer", linked.get(one.reviewer_id, [])))
                for one in case.extorted
            ],
            named_no_more=named_no_more(case),
            names_sellers=any(review.seller_id for review in case.evidence.reviews),
            groups=groups(case.evidence.parts, case.evidence.ring),
            payment=[] if case.evidence.payment is None else groups(case.evidence.payment.parts),
            reviews=[(review, case_view.steps(review)) for review in case.evidence.reviews],
            linked=[(link, _others(case, link.type, linked.get(link.id, []))) for link in case.linked],
            entries=case_view.log_entries(case, [found.event for found in events]),
            in_force=in_force(case),
            appellants=APPELLANTS,
            usual_appellant=usual_appellant(case.subject.type),
            waiting=waiting_verdict(case),
            pending=case_view.pending_verdict(case, events, dt.datetime.now(dt.UTC)),
            latest_verdict=case_view.latest_verdict(events),
            excluded=user_of(request).id in case_view.contested(case),
            done=self.done(request.query_params.get("done", ""), case),
            verdicts=VERDICTS,
            stories=STORIES,
            max_note=MAX_NOTE,
            event_ids=[uuid4().hex for _ in range(4)],
            now=self._services.source.market_now(),
        )

    def done(self, event_id: str, case: Case) -> str | None:
        """Return what has become of an event; None without an id."""
        if not event_id:
            return None
        applied = {
            *(one.event_id for one in case.verdicts),
            *(one.event_id for one in case.notes),
            *(one.event_id for one in case.appeals),
        }
        mine, now = next((one for one in case.verdicts if one.event_id == event_id), None), in_force(case)
        if mine is not None and mine.effect == "superseded" and now is not None and now.verdict != mine.verdict:
            return "replaced"
        found = self._services.read_model.event(event_id)
        if event_id in applied:
            return "applied"
        if found is None:
            return "pending"
        event = found.event
        return "applied" if isinstance(event, CaseAssigned) and event.assignee_id == case.assignee else "recorded"

    def subject(self, request: Request) -> Response:
        """Show the cases of a subject, and the cases that name it."""
        subject_id = request.query_params.get("id", "")
        model = self._services.read_model
        own = model.cases_of([subject_id]).get(subject_id, [])
        for case in own:
            self._services.note_reading(user_of(request), case)
        where, _, values = QueueFilter(state="all", text=subject_id).sql()
        naming = [
            case for case in model.select(where, "updated_at DESC", values, PAGE_SIZE) if case.subject.id != subject_id
        ]
        return self.render(request, "subject.html", subject_id=subject_id, own=_rows(own), naming=_rows(naming))

    def statement(self, request: Request) -> Response:
        """Return the statement of reasons of a confirmed case."""
        case = self._services.read_model.case(request.path_params["case_id"])
        if case is None:
            return self.missing(request)
        kind, write = _STATEMENT_TYPES["md" if request.query_params.get("format") == "md" else "html"]
        try:
            text = write(case, self._services.settings)
        except statement.NoStatementError as error:
            return self.message(request, "There is no statement of reasons", str(error), 409)
        # The document has a style sheet of its own, and no scripts.
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        if "download" in request.query_params:
            end = "md" if kind == "text/markdown" else "html"
            headers["Content-Disposition"] = f'attachment; filename="statement-{case.case_id[:8]}.{end}"'
        return Response(text, media_type=f"{kind}; charset=utf-8", headers=headers)

    def help(self, request: Request) -> Response:
        """Show the keys, the terms and the rules."""
        return self.render(request, "help.html", settings=self._services.settings)

    def missing(self, request: Request) -> Response:
        """Say that a page does not exist."""
        return self.message(
            request, "Not found", "There is no such case or page. A closed case is forgotten two years later.", 404
        )

    def message(self, request: Request, title: str, text: str, status: int) -> Response:
        """Show a sentence in place of a page."""
        return self.render(request, "message.html", status, title=title, text=text)

    def state_of_event(self, request: Request) -> Response:
        """Return whether an event was recorded, as one word: recorded, absent, or pending while that is not known."""
        return PlainTextResponse(self._services.state_of_event(request.path_params["event_id"]))


def user_of(request: Request) -> User:
    """Return the user that the middleware has recognized."""
    user: User = request.state.user
    return user


def _others(case: Case, subject_type: str, found: Sequence[Case]) -> list[Case]:
    return [one for one in found if one.subject.type == subject_type and one.case_id != case.case_id]


def _rows(cases: Sequence[Case]) -> list[tuple[Case, str, Any, list[str], str | None]]:
    return [
        (
            case,
            case_view.claim(case),
            pictures.sparkline(case.evidence),
            case_view.badges(case),
            verdict.verdict
            if case.state in {"decided", "closed"} and (verdict := in_force(case)) is not None
            else None,
        )
        for case in cases
    ]
