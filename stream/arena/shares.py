"""How many of a number were found."""

from __future__ import annotations

import msgspec


class Share(msgspec.Struct, frozen=True):
    """A number found of a total."""

    found: int
    total: int = msgspec.field(name="of")
