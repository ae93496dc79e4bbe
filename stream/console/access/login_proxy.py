"""The authentication `proxy`: headers that an authenticating proxy sets.

Invariant: the headers count only if the connection comes from a trusted address.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection

from stream.config import ConsoleSettings, SettingsError
from stream.console.access.addresses import is_within, peer
from stream.console.access.roles import GroupRoles, RefusedUserError, User, problem_of_id


class ProxyUser:
    """Recognizes the user that a proxy names.

    Args:
        console: The settings.

    Raises:
        SettingsError: No proxy is trusted.
    """

    login_path = None

    def __init__(self, console: ConsoleSettings) -> None:
        if not console.trusted_networks:
            raise SettingsError("VOLTEFACE_CONSOLE_TRUSTED is not set: VOLTEFACE_CONSOLE_AUTH=proxy needs it")
        self._console, self._roles = console, GroupRoles(console)

    def user_of(self, connection: HTTPConnection) -> User | None:
        """Return the user."""
        console = self._console
        if not is_within(peer(connection), console.trusted_networks):
            raise RefusedUserError(
                "The console answers its proxy only: use the proxy's address. (An operator finds the addresses of "
                "proxies in VOLTEFACE_CONSOLE_TRUSTED.)"
            )
        names = connection.headers.getlist(console.console_user_header)
        if len(names) > 1:
            raise RefusedUserError(f"The proxy named more than one user: {console.console_user_header} came twice.")
        user_id = _text(names[0]).strip() if names else ""
        if not user_id:
            return None
        problem = problem_of_id(user_id)
        if problem is not None:
            raise RefusedUserError(
                f"{problem} The proxy must name an id in {console.console_user_header}; "
                "VOLTEFACE_CONSOLE_USER_HEADER chooses another header."
            )
        lines = connection.headers.getlist(console.console_roles_header)
        groups = [name.strip() for line in lines for name in _text(line).replace("|", ",").split(",") if name.strip()]
        return self._roles.user(user_id, groups, "proxy", "VOLTEFACE_CONSOLE_ROLES_HEADER")


def _text(header: str) -> str:
    """Return a header, which is bytes of Latin-1 by the standard and of UTF-8 by the use of proxies."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header
