"""Who may do what in the console: users, roles, groups, and the interface of what recognizes a user.

Invariant: pure. A role includes all rights of the roles before it. A user's id can be the analyst of an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args

from starlette.requests import HTTPConnection

from stream.config import ConsoleSettings, variable
from stream.intake.identifiers import check_ids
from stream.intake.refusal import Refused

Role = Literal["viewer", "analyst", "lead"]
#: From the fewest rights to the most.
ROLES: Final[tuple[Role, ...]] = get_args(Role)
_SETTINGS: Final[Mapping[Role, str]] = {
    "viewer": "console_viewers",
    "analyst": "console_analysts",
    "lead": "console_leads",
}
#: A group of the settings that stands for everybody.
_EVERYBODY: Final = "*"
_MAX_ID: Final = 128
_MAX_SHOWN: Final = 20


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


class RefusedUserError(Exception):
    """Somebody who may not use the console; the message is what this person should know."""


class Authenticator(Protocol):
    """Recognizes the user of a request."""

    def user_of(self, connection: HTTPConnection) -> User | None:
        """Return the user, or None if nobody is logged in.

        Raises:
            RefusedUserError: The request names a user who may not use the console, or must not name one.
        """

    @property
    def login_path(self) -> str | None:
        """Where an unknown user logs in; None if the console cannot log anybody in."""


class GroupRoles:
    """Which groups have which role, by the settings.

    Args:
        console: The settings.
    """

    def __init__(self, console: ConsoleSettings) -> None:
        self._groups = {role: set(_names(getattr(console, field))) for role, field in _SETTINGS.items()}

    def role_of(self, groups: Iterable[str]) -> Role | None:
        """Return the role with the most rights that some groups give; None if they give none."""
        given = {*groups, _EVERYBODY}
        return next((role for role in reversed(ROLES) if given & self._groups[role]), None)

    def user(self, user_id: str, groups: Iterable[str], sender: str, setting: str) -> User:
        """Return the user with some groups.

        Args:
            user_id: The id.
            groups: The groups.
            sender: Who names the groups, for the message.
            setting: The variable that says where the groups are, for the message.

        Raises:
            RefusedUserError: The groups give no role.
        """
        known = sorted(set(groups))
        role = self.role_of(known)
        if role is None:
            names = (group[:_MAX_ID].encode(errors="replace").decode() for group in known[:_MAX_SHOWN])
            shown = ", ".join(names) or "none"
            more = f" and {len(known) - _MAX_SHOWN} more" if len(known) > _MAX_SHOWN else ""
            settings = [variable(ConsoleSettings, field) for field in _SETTINGS.values()]
            raise RefusedUserError(
                f"You are logged in as {user_id}, and have no role in this console. Your groups, as the {sender} names "
                f"them: {shown}{more}. {settings[0]}, {settings[1]} and {settings[2]} say which groups may do what; "
                f"{setting} says where your groups are."
            )
        return User(user_id, role)


def problem_of_id(user_id: str) -> str | None:
    """Return why a worker would refuse an event of this analyst, as a sentence; None if it would not."""
    if not 0 < len(user_id) <= _MAX_ID:
        return f"The user id has {len(user_id):,} characters; 1 to {_MAX_ID} are possible."
    try:
        user_id.encode()
        check_ids(("The user id",), (user_id,))
    except UnicodeEncodeError:
        return "The user id is not Unicode text."
    except Refused as refused:
        return refused.detail
    return None


def groups_of(value: Any) -> list[str]:
    """Return the groups that a claim or a header names.

    Args:
        value: A list of names, an object whose keys are names, or a text with commas or blanks between names.
    """
    if isinstance(value, str):
        return [name for part in value.split(",") for name in part.split()]
    if isinstance(value, list | dict):
        return [name.strip() for name in value if isinstance(name, str) and name.strip()]
    return []


def _names(setting: str) -> list[str]:
    return [name.strip() for name in setting.split(",") if name.strip()]
