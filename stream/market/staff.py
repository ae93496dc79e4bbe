"""The platform's staff: support and moderation, the same for all sellers.

Rule of this room: whoever plays a part, honest or not, comes from the one pool that also does everybody's daily work,
so an id tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

_POOL: Final = 40


@dataclass(frozen=True)
class Roles:
    """Who plays which part beside the daily work; nobody plays two."""

    #: The support desk: most of the honest look-ups.
    desk: tuple[str, ...]
    #: Sell look-ups to sellers; to a ring's broker; sells removals.
    leaking: tuple[str, ...]
    broker: str
    remover: str


def anyone(random: np.random.Generator) -> str:
    """A member of staff."""
    return _name(int(random.integers(_POOL)))


def roles(desk: int, leaking: int, random: np.random.Generator) -> Roles:
    """Cast the parts, with so many at the desk and so many who leak."""
    names = [_name(int(number)) for number in random.permutation(_POOL)]
    return Roles(tuple(names[2 : 2 + desk]), tuple(names[2 + desk : 2 + desk + leaking]), names[0], names[1])


def _name(number: int) -> str:
    return f"staff-{number:02d}"
