"""Protects the console's routes: who may use them, forged requests, headers.

Invariant: every request passes here before a page sees it. What is not allowed gets an answer that says why.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.console.access import request_bodies, sessions
from stream.console.access.addresses import is_own_page
from stream.console.access.rate_limits import TokenBuckets, too_often
from stream.console.access.roles import Authenticator, RefusedUserError, User
from stream.console.routes import RULES, RouteRule

_CSP: Final = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
        "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'",
    )
)  # fmt: skip
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer browsers would send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE: Final = frozenset(("GET", "HEAD"))
_STATIC: Final = "/static/"


class SecurityHeaders:
    """Adds the headers that tell browsers what a page may do; the outermost part, so that errors have them, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith(_STATIC):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class _RefusedRequest(Exception):  # noqa: N818  # an outcome, not an error of the program
    """A request that does not pass."""

    def __init__(self, response: Response) -> None:
        self.response = response


def _refused(text: str, status: int) -> _RefusedRequest:
    return _RefusedRequest(PlainTextResponse(text, status))


class Guard:
    """Lets a request pass if its user has the role of its route, and if it comes from the console's own pages.

    Args:
        app: What serves the request then.
        authenticator: Recognizes users.
        public: The address under which browsers reach the console, if the settings name it.
        writes: How often a user may send a form.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        public: str | None = None,
        writes: TokenBuckets | None = None,
    ) -> None:
        self._app, self._authenticator = app, authenticator
        self._public, self._writes = public, writes
        self._routes = [(Route(rule.path, _nothing, methods=[rule.method]), rule) for rule in RULES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._check(Request(scope, receive))
        except _RefusedRequest as refused:
            await refused.response(scope, receive, send)
            return
        await self._app(scope, receive if body is None else request_bodies.replayed(body, receive), send)

    async def _check(self, request: Request) -> bytes | None:
        """Return the body of a request that may pass, if it had to be read for that."""
        rule = self._rule(request)
        if request.scope["path"].startswith(_STATIC) or (rule is not None and rule.role is None):
            return None
        user = self._user(request)
        request.state.user = user
        request.state.csrf = sessions.form_token(request)
        if rule is None or rule.role is None:  # the application says that it has no such page
            return None
        if not user.may(rule.role):
            raise _refused(f"This needs the role {rule.role}; you are {user.role}.", 403)
        return None if request.method in _SAFE else await self._checked_form(request, user)

    def _rule(self, request: Request) -> RouteRule | None:
        return next((rule for route, rule in self._routes if route.matches(request.scope)[0] is Match.FULL), None)

    def _user(self, request: Request) -> User:
        try:
            user = self._authenticator.user_of(request)
        except RefusedUserError as error:
            raise _refused(str(error), 403) from None
        if user is not None:
            return user
        login = self._authenticator.login_path
        if login is None:
            raise _refused("You are not known here: the proxy must name its user.", 401)
        if _is_navigation(request):
            asked = quote(request.scope["path"]) + "?" * bool(request.url.query) + request.url.query
            raise _RefusedRequest(RedirectResponse(f"{login}?{urlencode({'next': asked})}", 303))
        raise _refused("Log in again.", 401)

    async def _checked_form(self, request: Request, user: User) -> bytes:
        """Return the body of a form that comes from a page of this console, by its origin and its token."""
        strange = _refused("The form is from another page, or too old: load the page again.", 403)
        if not is_own_page(request.headers, self._public):
            raise strange
        wait = 0 if self._writes is None else self._writes.take(user.id)
        if wait:
            raise _RefusedRequest(too_often(wait))
        body = await _body(request)
        given = request.headers.get("x-csrf-token")
        if given is None:
            given = await _field(request, body, "csrf")
        if not hmac.compare_digest(given.encode(errors="replace"), request.state.csrf.encode()):
            # Only pages of this console can read the answer. With the new token they send a form that was opened
            # before the console started again, and nothing that somebody typed is lost.
            strange.response.headers["X-CSRF-Token"] = request.state.csrf
            raise strange
        return body


async def _body(request: Request) -> bytes:
    try:
        return await request_bodies.read(request.scope, request.receive)
    except request_bodies.TooLargeError:
        most = f"{request_bodies.MAX_BYTES // 1024} KiB"
        raise _refused(f"The form is too large: at most {most} are accepted.", 413) from None
    except TimeoutError:
        raise _refused("The form did not come in time.", 408) from None
    except ClientDisconnect:
        raise _refused("The form did not come.", 400) from None


async def _field(request: Request, body: bytes, name: str) -> str:
    """Return a field of a form; the request stays unread for others."""
    try:
        async with Request(request.scope, request_bodies.replayed(body, request.receive)).form() as form:
            return str(form.get(name, ""))
    except (HTTPException, MultiPartException):
        raise _refused("The form cannot be read.", 400) from None


def _is_navigation(request: Request) -> bool:
    """Return whether a browser would show the answer as a page, and not pass it to a script."""
    return (
        request.method in _SAFE
        and "hx-request" not in request.headers
        and request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        and "text/event-stream" not in request.headers.get("accept", "")
    )


async def _nothing(_: Request) -> Response:
    return Response()
