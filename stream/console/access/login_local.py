"""The authentication `local`: one user, who is whoever can reach the loopback address.

Invariant: a page of the internet whose name leads to the loopback address (DNS rebinding) reaches nothing, because it
asks for its own name.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stream.config import ConsoleSettings, SettingsError
from stream.console.access.addresses import is_loopback, origin_of, public_url
from stream.console.access.roles import User, problem_of_id
from stream.ops.audit import user as system_user

_LOOPBACK_NAMES: Final = frozenset(("localhost", "127.0.0.1", "::1"))


class LocalUser:
    """The one user.

    Args:
        name: The user's id.
    """

    login_path = None

    def __init__(self, name: str) -> None:
        self._user = User(name, "lead")

    @classmethod
    def of(cls, console: ConsoleSettings) -> LocalUser:
        """Return the user of the settings, or else the operating system's.

        Raises:
            SettingsError: The console would listen on a public address, or the user cannot be an analyst.
        """
        if not is_loopback(console.console_host):
            raise SettingsError(
                f"VOLTEFACE_CONSOLE_HOST={console.console_host!r} is no loopback address, and "
                "VOLTEFACE_CONSOLE_AUTH=local asks nobody who he is: set VOLTEFACE_CONSOLE_AUTH to oidc or proxy"
            )
        public = origin_of(public_url(console))
        if public is None or not public.is_loopback:
            raise SettingsError(
                f"VOLTEFACE_CONSOLE_PUBLIC_URL={console.console_public_url!r} is no address of this machine, and "
                "VOLTEFACE_CONSOLE_AUTH=local asks nobody who he is: set VOLTEFACE_CONSOLE_AUTH to oidc or proxy"
            )
        name = console.console_user or system_user()
        problem = problem_of_id(name)
        if problem is not None:
            raise SettingsError(f"the user {name!r} cannot decide: {problem} Set VOLTEFACE_CONSOLE_USER to another id")
        return cls(name)

    def user_of(self, connection: HTTPConnection) -> User | None:  # the interface
        """Return the user."""
        return self._user


class LocalNames:
    """Lets a request pass if its browser asks for a name of this machine.

    Args:
        app: What serves the request then.
        console: The settings; their host and public address are names of this machine, too.
    """

    def __init__(self, app: ASGIApp, console: ConsoleSettings) -> None:
        public = origin_of(public_url(console))
        own = {console.console_host.lower().strip("[]"), *([] if public is None else [public.host])}
        self._app, self._names = app, _LOOPBACK_NAMES | own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        app = self._app
        if scope["type"] == "http":
            asked = origin_of(f"http://{Headers(scope=scope).get('host', '')}")
            if asked is None or asked.host not in self._names:
                app = PlainTextResponse("This console serves this machine only: open it as localhost.", 421)
        await app(scope, receive, send)
