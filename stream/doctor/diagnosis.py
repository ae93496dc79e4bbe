"""What `volteface doctor` says about one thing.

Invariant: a warning or an error names what is wrong, and what to do about it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class Diagnosis(msgspec.Struct, frozen=True):
    """The result of one check.

    Attributes:
        check: The name of the check; it stays the same, so programs can compare it.
        level: An error is what loses or refuses events, or keeps workers from running.
        about: The topic or the group; empty if the check is about none.
        text: What was found.
        advice: What to do; empty if nothing has to be done, or if the text says it.
    """

    check: str
    level: Level
    about: str
    text: str
    advice: str = ""

    @property
    def line(self) -> str:
        """The diagnosis in one line."""
        return " ".join(part for part in (f"{self.level}: {self.text}", self.advice) if part)
