"""How a page shows values: times, and texts from outside.

Invariant: every value that a template prints goes through `shown`. So no character of an id or a note can hide, or
change the order of, the text around it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from markupsafe import Markup

from stream.texts import visible


class Exact(str):
    """A text that a form sends back, so that it must stay as it is."""

    __slots__ = ()


def shown(value: Any) -> Any:
    """Return a value as a page shows it. In markup, too, only hidden characters become escapes."""
    if isinstance(value, Markup):
        return Markup(visible(value))
    return visible(value) if isinstance(value, str) and not isinstance(value, Exact) else value


def instant(at: dt.datetime | None, form: str = "%d %b %Y %H:%M") -> str:
    """Return a time in UTC, for templates."""
    return "" if at is None else f"{at.astimezone(dt.UTC):{form}}"
