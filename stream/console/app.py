"""Puts the console together: the one place that knows all its parts.

Invariant: every route comes from `routes.RULES`; the middleware recognizes the user before any of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from stream.console.actions import Actions
from stream.console.bulk import BulkJobs
from stream.console.page_texts import Exact, instant, shown
from stream.console.pages import Pages
from stream.console.routes import RULES
from stream.console.services import Services
from stream.console.streams import Streams
from stream.console.taking import Taking
from stream.offline.ring_words import ring_at_present, subject_name
from stream.ops.audit import AuditError
from stream.ops.statement import odds

_HERE: Final = Path(__file__).parent


def application(services: Services, middleware: list[Any], login: object | None = None) -> Starlette:
    """Return the console.

    Args:
        services: What it consists of.
        middleware: What recognizes users and protects the routes, the outermost first.
        login: What logs users in; None if the console does not do that.
    """
    templates = Jinja2Templates(_HERE / "templates")
    templates.env.globals.update(odds=odds, name_of=lambda case: subject_name(case.subject, ring_at_present(case)))
    templates.env.filters.update(instant=instant, exact=Exact, words=lambda text: text.replace("_", " "))
    templates.env.finalize = shown
    templates.env.trim_blocks = templates.env.lstrip_blocks = True
    jobs = BulkJobs()
    pages = Pages(services, templates, jobs)
    owners: dict[str, object] = {
        "pages": pages,
        "actions": Actions(services, pages, Taking(services), jobs),
        "streams": Streams(services),
        **({} if login is None else {"login": login}),
    }

    def missing(request: Request, _: Exception) -> Response:
        return pages.missing(request) if hasattr(request.state, "user") else PlainTextResponse("Not found.", 404)

    async def unrecorded(request: Request, error: Exception) -> Response:
        text = f"A case that accuses a staff member is shown once its reading is recorded: {error}"
        return await run_in_threadpool(pages.message, request, "The case cannot be shown now", text, 503)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        services.live.begin()
        services.source.start()
        services.health.start()
        yield
        services.live.end()
        services.health.stop()
        services.source.stop()

    routes: list[Any] = []
    for rule in RULES:
        owner, name = rule.endpoint.split(".")
        if owner not in owners:
            continue
        routes.append(Route(rule.path, getattr(owners[owner], name), methods=[rule.method]))
    static = Mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    return Starlette(
        routes=[*routes, static],
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={404: missing, AuditError: unrecorded},
    )
