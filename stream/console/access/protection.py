"""The console with the authentication of its settings: the one place that knows all of them.

Invariant: nothing is served that has not passed the guard, and no answer lacks the headers. Settings that would let
strangers in end the start.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from stream.config import ConsoleSettings, SettingsError
from stream.console.access import sessions
from stream.console.access.addresses import is_loopback, origin_of
from stream.console.access.login_local import LocalNames, LocalUser
from stream.console.access.login_pages import LoginPages, SessionUser
from stream.console.access.login_proxy import ProxyUser
from stream.console.access.rate_limits import TokenBuckets
from stream.console.access.roles import Authenticator
from stream.console.access.security import Guard, SecurityHeaders
from stream.console.app import application
from stream.console.services import Services

log = logging.getLogger(__name__)

_FORMS_PER_MINUTE: Final = 60
_LOGINS_PER_MINUTE: Final = 60
_BURST: Final = 30


def authenticator_of(console: ConsoleSettings) -> Authenticator:
    """Return what recognizes users.

    Raises:
        SettingsError: The settings would let strangers in, or nobody.
    """
    if console.console_auth == "local":
        return LocalUser.of(console)
    _check_address(console)
    if console.console_auth == "proxy":
        return ProxyUser(console)
    issuer = origin_of(console.console_oidc_issuer or "")
    if issuer is None or (issuer.scheme == "http" and not issuer.is_loopback):
        raise SettingsError(
            f"VOLTEFACE_CONSOLE_OIDC_ISSUER={console.console_oidc_issuer!r} cannot be used: it must begin with https, "
            "because whoever is between the console and its issuer could log in as anybody"
        )
    return SessionUser()


def _check_address(console: ConsoleSettings) -> None:
    public = console.console_public_url
    if public is not None and origin_of(public) is None:
        raise SettingsError(f"VOLTEFACE_CONSOLE_PUBLIC_URL={public!r} cannot be used: it is no address")
    if is_loopback(console.console_host):
        return
    if public is None:
        raise SettingsError(
            f"VOLTEFACE_CONSOLE_PUBLIC_URL is not set: with VOLTEFACE_CONSOLE_HOST={console.console_host!r}, which is "
            "no loopback address, forms and cookies need the address under which browsers reach the console"
        )
    if public.startswith("http:"):
        log.warning("VOLTEFACE_CONSOLE_PUBLIC_URL=%r is without TLS: whoever reads the network reads cookies", public)


def protected(services: Services, authenticator: Authenticator | None = None) -> ASGIApp:
    """Return the console as it is served.

    Args:
        services: What it consists of.
        authenticator: Recognizes users, in place of the one of the settings.
    """
    console = services.console
    if authenticator is None:
        authenticator = authenticator_of(console)
    login = LoginPages(console, TokenBuckets(_LOGINS_PER_MINUTE, _BURST)) if console.console_auth == "oidc" else None
    app = application(
        services,
        [
            sessions.middleware(console),
            Middleware(
                Guard, authenticator=authenticator, public=console.console_public_url,
                writes=TokenBuckets(_FORMS_PER_MINUTE, _BURST),
            ),
        ],
        login,
    )  # fmt: skip
    app.router.redirect_slashes = False  # the redirection would name the host that the request names
    return SecurityHeaders(LocalNames(app, console) if console.console_auth == "local" else app)
