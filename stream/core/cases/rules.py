"""The settings of cases: when they should be decided, and which verdicts need a second analyst."""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal

import msgspec

from stream.contract.alerts import Severity, SubjectType
from stream.contract.events import Appellant, Verdict
from stream.core.alerting.response import SEVERITIES

FourEyes = Literal["off", "staff", "on"]


def usual_appellant(subject_type: SubjectType) -> Appellant:
    """Return who contests the verdict of a case about such a subject, if nothing else is said."""
    return subject_type if subject_type in ("staff", "reviewer") else "seller"


class CaseRules(msgspec.Struct, frozen=True):
    """How cases are decided.

    Attributes:
        four_eyes: Which verdicts need a second analyst: none, those on staff and rings, or also confirmations and
            verdicts on an appeal.
        due_days: Days until a case should be decided, by severity from the highest to the lowest.
    """

    four_eyes: FourEyes = "staff"
    due_days: tuple[int, int, int, int] = (1, 3, 7, 14)

    @classmethod
    def of_texts(cls, four_eyes: FourEyes, due_days: str) -> CaseRules:
        """Return the rules that two settings make; `due_days` are four numbers with commas between."""
        critical, high, medium, low = map(int, due_days.split(","))
        return cls(four_eyes, (critical, high, medium, low))

    def needs_second(self, subject_type: SubjectType, verdict: Verdict, *, on_appeal: bool) -> bool:
        """Return whether a verdict needs a second analyst."""
        if subject_type in {"staff", "ring"}:  # a ring accuses staff, or several sellers at once
            return self.four_eyes != "off"
        return self.four_eyes == "on" and (verdict == "confirmed" or on_appeal)

    def due_at(self, since: dt.datetime, severity: Severity) -> dt.datetime:
        """Return when a case that waits since then should be decided."""
        return since + dt.timedelta(days=self.due_days[-1 - SEVERITIES.index(severity)])


CASE_RULES: Final = CaseRules()
