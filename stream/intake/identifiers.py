"""What an id may look like: no white space, and nothing that looks like an e-mail address or a phone number.

Invariant: the three patterns are defined here once, in the syntax that Python and ECMAScript (JSON Schema) share, and
the schemas in `schemas/` repeat them character for character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from stream.intake.refusal import Refusal, Refused

#: What Python or ECMAScript calls white space, and the control characters: `\\s` alone differs between the two.
BLANK: Final = r"[\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
#: something@something.tld, anywhere in the id. No top-level domain begins with a digit: `package@1.23` is accepted.
EMAIL: Final = r"[^@]@[^@]+\.[^@.0-9][^@.]"
#: All of it is `+` and 7 to 15 digits, or written like 555-123-4567 or (555)123-4567. Digits alone are accepted.
PHONE: Final = (
    r"^(?:\+[(). -]*(?:[0-9][(). -]*){7,15}"
    r"|(?:\([0-9]{3}\)[. -]?|[0-9]{3}[. -])[0-9]{3}[. -][0-9]{4})$"
)

_blank = re.compile(BLANK).search
_email = re.compile(EMAIL).search
_phone = re.compile(PHONE).search

#: A number of lines of printable ASCII without `@`, none of which begins like a phone number: no pattern above matches.
#: Nearly every event passes this test, in one call for all its ids. (An id with a line break makes one line too many;
#: then the ids are checked one by one.)
_LINE: Final = r"(?![+(]|[0-9]{3}[.-][0-9]{3}[.-])[!-?A-~]++"
_harmless = [re.compile(rf"{_LINE}(?:\n{_LINE}){{{more}}}").fullmatch for more in range(16)]


def check_ids(names: Sequence[str], ids: Sequence[str | None]) -> None:
    """Check all ids of an event.

    Args:
        names: The ids' fields.
        ids: The ids, None where a field is absent.

    Raises:
        Refused: An id has white space or looks like personal data.
    """
    try:
        lines = "\n".join(ids)  # type: ignore[arg-type]  # most events have no absent id
    except TypeError:
        ids_there = [each for each in ids if each is not None]
        lines, count = "\n".join(ids_there), len(ids_there)
    else:
        count = len(ids)
    if _harmless[count - 1](lines):
        return
    for name, each in zip(names, ids, strict=True):
        if each is not None:
            _check(name, each)


def personal_data(value: str) -> str | None:
    """Return what a text looks like, if it looks like personal data."""
    if _email(value):
        return "an e-mail address"
    return "a phone number" if _phone(value) else None


def _check(name: str, value: str) -> None:
    looks_like = personal_data(value)
    if looks_like:
        raise Refused(Refusal.PERSONAL_DATA, f"{name} looks like {looks_like}.")
    if _blank(value):
        raise Refused(Refusal.BAD_VALUE, f"{name} holds white space or a control character.")
