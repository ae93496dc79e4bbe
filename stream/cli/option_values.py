"""Values of options that several commands take: one of some names, a time, a number of days.

Invariant: a wrong value is wrong use (exit code 2), with a line that names the option, the value, and what it takes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

_days = re.compile(r"([0-9]{1,4})d").fullmatch
_MAX_DAYS: Final = 3650
_MAX_SHOWN: Final = 80


def shortened(text: str) -> str:
    """Return what a person gave, in quotes, as an error repeats it: a long text is cut."""
    return repr(text) if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]!r}... ({len(text):,} characters)"


def check_choices(option: str, given: Iterable[str] | None, choices: Sequence[str]) -> None:
    """Check that each value of an option is one of these."""
    for one in given or ():
        if one not in choices:
            raise typer.BadParameter(f"{option} takes {', '.join(choices)}, not {shortened(one)}")


def time_of(option: str, text: str) -> dt.datetime:
    """Return the time that a person wrote: RFC 3339, or a date, which begins at midnight UTC."""
    kind: Any
    for kind in (dt.date, Annotated[dt.datetime, msgspec.Meta(tz=True)]):
        try:
            found = msgspec.convert(text, kind)
        except msgspec.ValidationError:
            continue
        return found if isinstance(found, dt.datetime) else dt.datetime.combine(found, dt.time(), dt.UTC)
    raise typer.BadParameter(
        f"{option} takes a date, or a time with its offset such as 2024-05-01T10:00:00Z: {shortened(text)}"
    )


def days_of(option: str, text: str) -> dt.timedelta:
    """Return the time that a person wrote as a number of days, such as 30d."""
    found = _days(text)
    if found is None or int(found[1]) > _MAX_DAYS:
        raise typer.BadParameter(
            f"{option} takes a number of days up to {_MAX_DAYS}, such as 30d, not {shortened(text)}"
        )
    return dt.timedelta(days=int(found[1]))
