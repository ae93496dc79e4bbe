"""The cookie of a session: who is logged in, until when.

Invariant: it is signed, and holds a user's id and role, the end of the session, and the token of its forms. While
somebody logs in, it holds what the issuer's answer is compared with.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from stream.config import ConsoleSettings
from stream.console.access.roles import ROLES, User

SESSION_SECONDS: Final = 12 * 3600


def cookie_name(console: ConsoleSettings) -> str:
    """Return the name of the cookie.

    Browsers keep a cookie with `__Host-` only if it came over TLS, for this host alone. They send other cookies to all
    ports of a host, so a console without an address of its own puts its port into the name.
    """
    if _has_tls(console):
        return "__Host-volteface"
    return "volteface" if console.console_public_url else f"volteface-{console.console_port}"


def middleware(console: ConsoleSettings) -> Middleware:
    """Return what reads and writes the cookie."""
    secret = console.console_secret.get_secret_value() if console.console_secret else secrets.token_hex(32)
    return Middleware(
        SessionMiddleware, secret_key=secret, max_age=SESSION_SECONDS, same_site="lax", https_only=_has_tls(console),
        session_cookie=cookie_name(console),
    )  # fmt: skip


def _has_tls(console: ConsoleSettings) -> bool:
    return (console.console_public_url or "").startswith("https:")


def begin(connection: HTTPConnection, user: User) -> None:
    """Log a user in; nothing that the session held before is kept."""
    session = connection.session
    session.clear()
    session.update(user=user.id, role=user.role, until=int(time.time()) + SESSION_SECONDS)


def end(connection: HTTPConnection) -> None:
    """Log the user out."""
    connection.session.clear()


def user_of(connection: HTTPConnection) -> User | None:
    """Return the user that is logged in; None if there is none, or no longer."""
    session: dict[str, Any] = connection.session
    name, role = session.get("user"), session.get("role")
    if not isinstance(name, str) or role not in ROLES or session.get("until", 0) <= time.time():
        return None
    return User(name, role)


def form_token(connection: HTTPConnection) -> str:
    """Return the token that each form of this session must send back."""
    token: str = connection.session.setdefault("csrf", secrets.token_urlsafe(24))
    return token
