"""Who may do what in the console: users, roles, and the interface of what recognizes a user.

Invariant: pure. A role includes all rights of the roles before it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol, get_args

from starlette.requests import HTTPConnection

Role = Literal["viewer", "analyst", "lead"]
#: From the fewest rights to the most.
ROLES: Final[tuple[Role, ...]] = get_args(Role)


class User(NamedTuple):
    """A person who uses the console.

    Attributes:
        id: The analyst of the events that this person writes.
        role: What the person may do: a viewer reads; an analyst takes cases, notes and decides; a lead gives cases to
            others, too.
    """

    id: str
    role: Role

    def may(self, role: Role) -> bool:
        """Return whether the person has the rights of a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Authenticator(Protocol):
    """Recognizes the user of a request."""

    def user_of(self, connection: HTTPConnection) -> User | None:
        """Return the user, or None if nobody is logged in."""

    @property
    def login_path(self) -> str | None:
        """Where an unknown user logs in; None if the console cannot log anybody in."""
