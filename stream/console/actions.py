"""What forms do: decisions about one case, about several cases, and taking the next one.

Invariant: a request is answered once its event is durable, or with the reason why nothing was recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from stream.console.access.roles import User
from stream.console.bulk import BulkJobs
from stream.console.decisions import Done, RefusedError
from stream.console.pages import Pages, user_of
from stream.console.queue_filter import QueueFilter
from stream.console.services import Services
from stream.console.taking import Taking
from stream.ops.cases import NotAcknowledgedError

_MAX_BULK: Final = 200
Decide = Callable[[User, str, Mapping[str, str]], Done]


class Actions:
    """Answers forms.

    Args:
        services: What the console consists of.
        pages: Draws refusals.
        taking: Takes the next case.
        bulk: Decides several cases.
    """

    def __init__(self, services: Services, pages: Pages, taking: Taking, bulk: BulkJobs) -> None:
        self._services, self._pages, self._taking, self._bulk = services, pages, taking, bulk

    async def verdict(self, request: Request) -> Response:
        """Record a verdict."""
        return await self._decide(request, self._services.decisions.verdict)

    async def assign(self, request: Request) -> Response:
        """Give a case to somebody."""
        return await self._decide(request, self._services.decisions.assign, in_place=True)

    async def note(self, request: Request) -> Response:
        """Write a note."""
        return await self._decide(request, self._services.decisions.note, in_place=True)

    async def appeal(self, request: Request) -> Response:
        """Record an appeal."""
        return await self._decide(request, self._services.decisions.appeal)

    async def _decide(self, request: Request, decide: Decide, in_place: bool = False) -> Response:
        """Answer a form; `in_place`: the page stays, with what was typed into its other forms."""
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        case_id = request.path_params["case_id"]
        event_id = form.get("event_id", "")
        self._services.writing(event_id, float("inf"))
        try:
            done = await run_in_threadpool(decide, user_of(request), case_id, form)
        except RefusedError as error:
            return await run_in_threadpool(self._refused, request, str(error))
        except (NotAcknowledgedError, LookupError) as error:
            return await run_in_threadpool(self._refused, request, str(error), 503)
        finally:
            self._services.writing(event_id, time.monotonic())
        if in_place and "hx-request" in request.headers:
            return await run_in_threadpool(self._stay, request, case_id, done.event.event_id)
        return _go(request, f"/cases/{case_id}?done={done.event.event_id}")

    def _stay(self, request: Request, case_id: str, event_id: str) -> Response:
        """Say on the page what has become of an event, and give its form the id of the next one."""
        case = self._services.read_model.case(case_id)
        if case is None:
            return self._pages.missing(request)
        done = self._pages.done(event_id, case)
        answer = self._pages.render(request, "done.html", case=case, done=done, event_id=event_id)
        answer.headers["X-Next-Event-Id"] = uuid4().hex
        return answer

    def _refused(self, request: Request, text: str, status: int = 422) -> Response:
        if "hx-request" in request.headers:
            return self._pages.render(request, "refusal.html", status, text=text)
        return self._pages.message(request, "Nothing was recorded", text, status)

    async def take_next(self, request: Request) -> Response:
        """Take the first case of the list that nobody has, and show it."""
        chosen = QueueFilter.of({**dict(request.query_params), "assignee": "", "page": "1"})
        try:
            case_id = await run_in_threadpool(self._taking.take_next, user_of(request), chosen)
        except (NotAcknowledgedError, LookupError) as error:
            return await run_in_threadpool(self._refused, request, str(error), 503)
        if case_id is None:
            return await run_in_threadpool(
                self._refused,
                request,
                "No case of this list is free: each one is taken or decided, or waits for another analyst than you.",
            )
        return _go(request, f"/cases/{case_id}")

    async def bulk(self, request: Request) -> Response:
        """Assign or explain several cases in ten seconds, unless that is undone before."""
        form = await request.form()
        marked = [value.split() for value in form.getlist("case") if isinstance(value, str)][:_MAX_BULK]
        cases = {names[0]: names[-1] for names in marked if names}  # with the latest alert that was shown
        values = {name: value for name, value in form.items() if isinstance(value, str)}
        user = user_of(request)
        if not cases:
            return await run_in_threadpool(self._refused, request, "Mark the cases first.")
        action = values.get("action", "")
        if action == "explain":
            decide, wanted = self._services.decisions.verdict, {**values, "verdict": "explained"}
        elif action == "assign":
            decide, wanted = self._services.decisions.assign, {"assignee": values.get("assignee") or user.id}
        else:
            return await run_in_threadpool(self._refused, request, "Choose what to do with the marked cases.")
        try:
            job = self._bulk.begin(
                user,
                f"{action} {len(cases)} case{'s' * (len(cases) > 1)}",
                [
                    partial(decide, user, case_id, {**wanted, "alert_id": alert_id, "event_id": uuid4().hex})
                    for case_id, alert_id in cases.items()
                ],
            )
        except RefusedError as error:
            return await run_in_threadpool(self._refused, request, str(error))
        if "hx-request" in request.headers:
            return await run_in_threadpool(self._pages.render, request, "bulk.html", job=job)
        return RedirectResponse("/", 303)

    async def undo(self, request: Request) -> Response:
        """Undo what was asked for several cases, if it has not begun."""
        self._bulk.undo(user_of(request), request.path_params["job_id"])
        return await self.job(request)

    async def job(self, request: Request) -> Response:
        """Show how far a job is."""
        job = self._bulk.job(user_of(request), request.path_params["job_id"])
        if job is None:
            return PlainTextResponse("", 404)
        return await run_in_threadpool(self._pages.render, request, "bulk.html", job=job)


def _go(request: Request, address: str) -> Response:
    """Send the browser to a page; htmx needs a header for it."""
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)
