"""The platform's staff: support and moderation, the same for all sellers.

Invariant: every staff member, honest or not, comes from one pool that also does the daily work, so an id reveals
nothing about its role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

_POOL: Final = 40


@dataclass(frozen=True)
class Roles:
    """Roles beside the daily work; no staff member has two."""

    #: The support desk, which makes most of the honest look-ups.
    desk: tuple[str, ...]
    #: Insiders: those who sell look-ups to sellers, the one who sells look-ups to a ring's broker, the one who sells
    #: removals.
    leaking: tuple[str, ...]
    broker: str
    remover: str
    #: All other members, in random order.
    others: tuple[str, ...]


def any_member(random: np.random.Generator) -> str:
    """Draw a staff member from the whole pool."""
    return _staff_id(int(random.integers(_POOL)))


def assign_roles(desk: int, leaking: int, random: np.random.Generator) -> Roles:
    """Draw the roles, with this many members at the desk and this many who leak."""
    ids = [_staff_id(int(number)) for number in random.permutation(_POOL)]
    first = 2 + desk + leaking
    return Roles(tuple(ids[2 : 2 + desk]), tuple(ids[2 + desk : first]), ids[0], ids[1], tuple(ids[first:]))


def _staff_id(number: int) -> str:
    return f"staff-{number:02d}"


def in_office(actor_id: str, at: float, leaving: dict[str, tuple[float, str]]) -> str:
    """Return who does a member's work at a time: the member, or its successor once it has left.

    Args:
        leaving: By member, when it leaves (epoch seconds), and who succeeds it.
    """
    while actor_id in leaving and at >= leaving[actor_id][0]:
        actor_id = leaving[actor_id][1]
    return actor_id
