"""The authentication `oidc`: the pages that log a user in at an issuer, and out again.

Invariant: after a login the browser goes to a page of this console, whatever address was asked for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.templating import Jinja2Templates

from stream.config import ConsoleSettings
from stream.console.access import sessions
from stream.console.access.addresses import sender
from stream.console.access.issuer import Issuer, IssuerUnreachableError, NotLoggedInError, claim
from stream.console.access.rate_limits import TokenBuckets, too_often
from stream.console.access.roles import GroupRoles, RefusedUserError, User, groups_of, problem_of_id
from stream.console.routes import RULES

_RETURN_TO: Final = "return_to"
#: Printable ASCII without a backslash, which browsers read as a slash.
_plain_path = re.compile(r"/[!-\[\]-~]{0,999}").fullmatch


class SessionUser:
    """Recognizes the user that is logged in."""

    login_path = "/login"

    def user_of(self, connection: HTTPConnection) -> User | None:
        """Return the user."""
        return sessions.user_of(connection)


class LoginPages:
    """Logs users in and out.

    Args:
        console: The settings.
        attempts: How often an address may try.
    """

    def __init__(self, console: ConsoleSettings, attempts: TokenBuckets) -> None:
        self._console, self._attempts = console, attempts
        self._issuer, self._roles = Issuer(console), GroupRoles(console)
        self._templates = Jinja2Templates(Path(__file__).parents[1] / "templates")

    async def begin(self, request: Request) -> Response:
        """Send the browser to the issuer."""
        wait = self._attempts.take(sender(request, self._console.trusted_networks))
        if wait:
            return too_often(wait)
        try:
            answer = await self._issuer.begin(request, again="again" in request.query_params)
        except IssuerUnreachableError as error:
            return self._page(request, "The issuer cannot be reached", str(error), 503)
        request.session[_RETURN_TO] = own_path(request.query_params.get("next", "/"))
        return answer

    async def finish(self, request: Request) -> Response:
        """Log the user in whose browser comes back from the issuer."""
        wait = self._attempts.take(sender(request, self._console.trusted_networks))
        if wait:
            return too_often(wait)
        return_to = own_path(str(request.session.get(_RETURN_TO, "/")))
        try:
            user = await self._user(request)
        except IssuerUnreachableError as error:
            return self._page(request, "The issuer cannot be reached", str(error), 503)
        except NotLoggedInError as error:
            return self._page(request, "You are not logged in", str(error), 400)
        except RefusedUserError as error:
            return self._page(request, "You may not use this console", str(error), 403)
        sessions.begin(request, user)
        return RedirectResponse(return_to, 303)

    async def _user(self, request: Request) -> User:
        claims = await self._issuer.claims(request)
        name = self._console.console_oidc_user_claim
        user_id = claim(claims, name)
        if not isinstance(user_id, str):
            raise RefusedUserError(
                f"The issuer does not say who you are: it sent no claim {name}, which "
                "VOLTEFACE_CONSOLE_OIDC_USER_CLAIM asks for."
            )
        problem = problem_of_id(user_id)
        if problem is not None:
            raise RefusedUserError(
                f"{problem} VOLTEFACE_CONSOLE_OIDC_USER_CLAIM must name a claim with an id; now it names {name}."
            )
        groups = groups_of(claim(claims, self._console.console_oidc_roles_claim))
        return self._roles.user(user_id, groups, "issuer", "VOLTEFACE_CONSOLE_OIDC_ROLES_CLAIM")

    async def logout(self, request: Request) -> Response:
        """Log the user out of the console, then of the issuer.

        The browser goes on from a page: a form may not lead to another host, by the console's content security policy.
        """
        sessions.end(request)
        address = await self._issuer.logout_address()
        if address is None:
            return RedirectResponse("/logged-out", 303)
        return self._page(request, "You are logged out", "You are logged out of the console.", 200, address)

    async def logged_out(self, request: Request) -> Response:
        """Say that the user is logged out."""
        return self._page(request, "You are logged out", "You are logged out of the console.", 200)

    def _page(self, request: Request, title: str, text: str, status: int, onward: str | None = None) -> Response:
        values = {"title": title, "text": text, "onward": onward, "again": status not in {200, 503}}
        return self._templates.TemplateResponse(request, "login.html", values, status_code=status)


_PAGES: Final = [
    Route(rule.path, lambda _: Response(), methods=["GET"])
    for rule in RULES
    if rule.method == "GET" and rule.role is not None
]


def own_path(address: str) -> str:
    """Return the path and query of an address if it is a page of this console for users; else that of the queue."""
    if not _plain_path(address) or address.startswith("//"):
        return "/"
    path = unquote(urlsplit(address).path)
    scope = {"type": "http", "method": "GET", "path": path}
    return address if any(page.matches(scope)[0] is Match.FULL for page in _PAGES) else "/"
