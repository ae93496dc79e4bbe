"""What tasks tell each other about staff, and are told by a person: `integrity.evidence.v1`, as values.

Rule of this room: a report says what a whole day of event time has added, and never what stands now: so it can be taken
in any order, once. A *writer* is the task whose reviews it is about, a *reader* the one that a member of staff belongs
to. Days are numbered from 1970-01-01.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from stream.core.flips import Flip

#: The header by which an application knows its own reports; its content is the application's id.
SIGNATURE: Final = "volteface.app_id"
#: Any day would do: what is added up over years must stay within a float's range.
_FIRST_DAY: Final = 18262.0  # 2020-01-01
_YEAR_DAYS: Final = 365.0


#: What is told is rounded to a multiple of this: up to two millions such numbers add up exactly.
_QUANTUM: Final = 2.0**-32


def exact(value: float) -> float:
    """A number as it is told: sums of such do not depend on their order, nor on which were added up before.

    A task that slept tells some days after they were judged, and in a replay before.
    """
    return round(value / _QUANTUM) * _QUANTUM


def weight_of(day: float) -> float:
    """What a day's sums weigh beside another's: so a year's memory needs no fading.

    Forward decay: Cormode, Shkapenyuk, Srivastava and Xu 2009.
    """
    share, power = math.frexp(math.exp((day - _FIRST_DAY) / _YEAR_DAYS))
    return math.ldexp(round(share * 2**20), power - 20)  # few digits, so that sums of whole numbers of them are exact


class Told(msgspec.Struct, array_like=True, gc=False):
    """A flip that a member of staff answers for, or a critical review that he or she removed, and the event of it."""

    seller_id: str
    event_id: str
    #: How odd the flip's pattern was, as a percentile; None for a removal.
    percentile: float | None
    flip: Flip


class StaffReport(msgspec.Struct, tag="staff", kw_only=True):
    """A day of one member of staff among a writer's reviews. Of more than `evidence.WINDOWS` the latest are told."""

    writer: int
    day: int
    actor_id: str
    first_seen: float
    flips: int = 0
    retracted: int = 0
    expected: float = 0.0
    expected_long: float = 0.0
    #: Its part in the market's, see `Sums`.
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    latest: list[Told] = msgspec.field(default_factory=list)
    removed: int = 0
    critical: int = 0
    latest_removed: list[Told] = msgspec.field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.flips or self.removed or self.expected or self.expected_long)

    @property
    def about(self) -> str | None:
        """The member of staff to whose reader it goes."""
        return self.actor_id


class Sums(msgspec.Struct, kw_only=True):
    """A day of a writer's whole market. Looked-up flips are in voices, times the day's weight."""

    flips: int = 0
    retracted: int = 0
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    removed: int = 0
    critical: int = 0

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.flips or self.removed or self.looked_up_expected)


class ToAll(msgspec.Struct):
    """What goes to every task."""

    @property
    def about(self) -> str | None:
        """Nobody whose reader would be the only one to hear it."""
        return None


class DayReport(ToAll, tag="day", kw_only=True):
    """A writer has told everything up to the end of the day `through`; the sums are those of `day`.

    One that has nothing to read answers those who go on with their day, so that nobody waits for it. If something comes
    after all, it takes that back: then `through` is smaller than before.
    """

    writer: int
    day: int
    through: int
    sums: Sums


class Judgement(ToAll, tag="judged", kw_only=True):
    """A reader has judged its staff up to the end of a day.

    accused: day, member of staff, and the seller to whom more than three quarters of his or her kept flips belong, if
    there is one.
    """

    reader: int
    day: int
    accused: list[tuple[int, str, str | None]]


class Forget(ToAll, tag="forget", kw_only=True):
    """A reviewer's id, or pseudonym, has to go; it comes from a person's command and not from a task.

    Any task may have a review of that reviewer.
    """

    reviewer_id: str


Report = StaffReport | DayReport | Judgement | Forget
encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Report).decode
