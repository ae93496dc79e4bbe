"""Protects the console's routes: who may use them, forged requests, headers.

Invariant: every request passes here before a page sees it. What is not allowed gets an answer that says why.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.console.access import Authenticator
from stream.console.routes import RULES

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
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE: Final = frozenset(("GET", "HEAD"))


class SecurityHeaders:
    """Adds the headers that tell browsers what a page may do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Guard:
    """Lets a request pass if its user has the role of its route, and if it comes from the console's own pages.

    Args:
        app: What serves the request then.
        authenticator: Recognizes users.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app, self._authenticator = app, authenticator
        self._routes = [(Route(rule.path, _nothing, methods=[rule.method]), rule) for rule in RULES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self._refusal(request)
        await (self._app if response is None else response)(scope, request.receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        rule = next((rule for route, rule in self._routes if route.matches(request.scope)[0] is Match.FULL), None)
        if request.url.path.startswith("/static/") or (rule is not None and rule.role is None):
            return None
        user = self._authenticator.user_of(request)
        if user is None:
            login = self._authenticator.login_path
            if login is None:
                return PlainTextResponse("You are not known here: the proxy must name its user.", 401)
            if request.method in _SAFE and "hx-request" not in request.headers:
                return RedirectResponse(login, 303)
            return PlainTextResponse("Log in again.", 401)
        request.state.user = user
        request.state.csrf = _csrf_token(request)
        if rule is not None and rule.role is not None and not user.may(rule.role):
            return PlainTextResponse(f"This needs the role {rule.role}; you are {user.role}.", 403)
        if request.method not in _SAFE and not await _is_own(request):
            return PlainTextResponse("The form is from another page, or too old: load the page again.", 403)
        return None


async def _nothing(_: Request) -> Response:
    return Response()


def _csrf_token(request: Request) -> str:
    """Return the token that a form of this session must send back."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(24))
    return token


async def _is_own(request: Request) -> bool:
    """Return whether a form comes from a page of this console: by its origin and its token."""
    if not _same_origin(request.headers, request):
        return False
    given = request.headers.get("x-csrf-token")
    if given is None:
        form = await request.form()
        given = str(form.get("csrf", ""))
    return hmac.compare_digest(given.encode(), request.state.csrf.encode())


def _same_origin(headers: Headers, request: Request) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.url.netloc
