"""A member of staff as one task sees it: the reviews that he or she answers for, and what has become of them today.

Rule of this room: a review is answered for during 30 days after its contact data were looked up, as one of its band,
times how readily its seller's reviews flip of themselves; so what flips anyway is no evidence. Nothing is judged here:
at each midnight the day is told to the task that gathers what all tasks know of this member (`panel`).
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from stream.core.bands import REACH_SECONDS
from stream.core.norm import Norm
from stream.core.past import WINDOWS
from stream.core.reports import StaffReport, Told, exact


@mypyc_attr(acyclic=True)
class Portion:
    """What a member of staff answers for in one band: `weight` of so many reviews, whose sellers have `voices`.

    `long` is minus the sum of weights times the clocks at which they came, as in `subjects.Held`; `now` the same on
    the tempo's clock, and `heard` of the voices.
    """

    __slots__ = ("heard", "long", "now", "reviews", "voices", "weight")

    def __init__(self, reviews: int, weight: float, voices: float, now: float, heard: float, long: float) -> None:
        self.reviews = reviews
        self.weight = weight
        self.voices = voices
        self.now = now
        self.heard = heard
        self.long = long


class Staff:
    """One member's account; `today` is what the next report will say."""

    __slots__ = ("actor_id", "first_seen", "held", "today")

    def __init__(self, actor_id: str, first_seen: float, writer: int) -> None:
        self.actor_id = actor_id
        self.first_seen = first_seen
        self.held: dict[int, Portion] = {}
        self.today = StaffReport(writer=writer, day=0, actor_id=actor_id, first_seen=first_seen)

    def enter(self, number: int, access: Access, norm: Norm, now: float) -> None:
        """A review comes into band `number`."""
        band = norm.bands[number]
        held = self.held.get(number)
        if held is None:
            held = self.held[number] = Portion(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        clock = band.now + band.rate * norm.tempo
        held.reviews += 1
        held.weight += access.weight
        held.voices += access.voice
        held.now -= access.weight * clock
        held.heard -= access.voice * clock
        held.long -= access.weight * (band.clock + band.rate * (now - norm.day_began))

    def leave(self, number: int, access: Access, norm: Norm, now: float) -> None:
        """A review goes out of band `number`."""
        band, held = norm.bands[number], self.held[number]
        clock = band.now + band.rate * norm.tempo
        held.reviews -= 1
        held.weight -= access.weight
        held.voices -= access.voice
        held.now += access.weight * clock
        held.heard += access.voice * clock
        held.long += access.weight * (band.clock + band.rate * (now - norm.day_began))
        if not held.reviews:
            self._settle(held, norm, 0.0, 0.0)
            del self.held[number]

    def _settle(self, held: Portion, norm: Norm, now: float, long: float) -> None:
        today = self.today
        today.expected += held.weight * now + held.now
        today.looked_up_expected += norm.fresh * (held.voices * now + held.heard)
        today.expected_long += held.weight * long + held.long
        held.now, held.heard, held.long = -held.weight * now, -held.voices * now, -held.weight * long

    def flip(self, told: Told, voice: float, norm: Norm) -> None:
        """A review that it answers for has flipped, of a seller with that voice.

        Its flips stay in what is expected of it: a support desk looks up a good part of all such reviews, and without
        them little would be left to compare it with.
        """
        today = self.today
        today.flips += 1
        today.retracted += told.flip.retracted
        today.looked_up_flips += norm.fresh * voice
        today.latest = [*today.latest, told][-WINDOWS:]

    def remove(self, told: Told | None) -> None:
        """It removes a review; `told` is about a critical one."""
        today = self.today
        today.removed += 1
        if told is not None:
            today.critical += 1
            today.latest_removed = [*today.latest_removed, told][-WINDOWS:]

    def report(self, day: int, norm: Norm, midnight: float) -> StaffReport:
        """What the day that ends has added; the next one begins."""
        for number in sorted(self.held):
            band = norm.bands[number]
            long = band.clock + band.rate * (midnight - norm.day_began)
            self._settle(self.held[number], norm, band.now + band.rate * norm.tempo, long)
        said = self.today
        said.day = day
        said.expected, said.expected_long = exact(said.expected), exact(said.expected_long)
        said.looked_up_flips, said.looked_up_expected = exact(said.looked_up_flips), exact(said.looked_up_expected)
        self.today = StaffReport(writer=said.writer, day=0, actor_id=self.actor_id, first_seen=self.first_seen)
        return said


@mypyc_attr(acyclic=True)
class Access:
    """A look-up of one review by one member of staff, how readily its seller's reviews flip, and the seller's voice."""

    __slots__ = ("at", "staff", "voice", "weight")

    def __init__(self, staff: Staff, at: float, weight: float, voice: float) -> None:
        self.staff = staff
        self.at = at
        self.weight = weight
        self.voice = voice

    def reaches(self, now: float) -> bool:
        """Whether it is still answered for."""
        return now < self.at + REACH_SECONDS
