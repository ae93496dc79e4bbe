"""Cheats: the kinds there are, who is one, and the lines of the truth file.

Rule of this room: a kind is a line in a table; what it does is told by its fields and carried out by `payments`. Who
cheats is decided by number, lowest first: detectors see ids as keys and nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, Literal

import msgspec

from stream.market.scenarios import Cheats

#: How the reviewer is reached: by a message on the platform, by contact data that staff sold, by ways that leave no
#: trace; or not at all, because staff remove the review.
Channel = Literal["contact", "access", "none", "removal"]
_ANY: Final[tuple[Channel, ...]] = ("contact", "access", "none")


@dataclass(frozen=True)
class Kind:
    """What sets one kind of cheat apart from the habits of its world (`Payments`)."""

    #: One is drawn for each seller.
    channels: tuple[Channel, ...] = ("contact",)
    #: The start, in shares of its life: time enough before it to know the seller, and after it to see the cheat.
    start: tuple[float, float] = (0.2, 0.8)
    #: For how many days it pays, a little every day; None: to the end.
    lasts_days: tuple[float, float] | None = None
    #: How quickly it approaches and pays, as a share of the usual delays.
    hurry: float = 1.0
    #: Critical reviews open at the start are wanted up to this age; the share of them, None: the world's.
    old_days: float = 60.0
    approached_old: float | None = None
    #: Reviews are left alone until they have reached an age in this range.
    ripe_days: tuple[float, float] | None = None
    #: No more than so many paid flips a month.
    flips_a_month: tuple[float, float] | None = None
    #: Writes to everybody, and honestly, all its life.
    replies: bool = False
    #: Pays under cover of a product fix or a review bomb of its own.
    covered: bool = False
    #: One of many small sellers with the same broker, who all begin when the broker does.
    ring: bool = False


#: By name. Days and shares are chosen so that a kind shows what it is for in a run of some months.
KINDS: Final[dict[str, Kind]] = {
    "bribes": Kind(),
    "leaked": Kind(channels=("access",)),
    "hidden": Kind(channels=("none",)),
    "drip": Kind(channels=_ANY, start=(0.05, 0.35), approached_old=0.0, flips_a_month=(2.0, 5.0)),
    # A burst takes what is there: in a few days too few reviews are born.
    "burst": Kind(channels=_ANY, lasts_days=(3.0, 10.0), hurry=0.3, old_days=120.0, approached_old=0.7),
    "ring": Kind(channels=("access",), ring=True),
    "replier": Kind(channels=("none",), replies=True),
    "first_day": Kind(channels=_ANY, start=(0.0, 0.0)),
    "cover": Kind(channels=_ANY, lasts_days=(10.0, 20.0), hurry=0.5, approached_old=0.4, covered=True),
    # Later in a run there is more that is old; and its authors are hard to find, which takes five times as long.
    "old": Kind(
        channels=_ANY, start=(0.3, 0.7), hurry=5.0, old_days=300.0, approached_old=0.6, ripe_days=(60.0, 300.0)
    ),
    "removals": Kind(channels=("removal",)),
}


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parameters of a run."""

    scenario: str
    seed: int
    sellers: int
    days: int
    world: int = 0


class Cheat(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of the truth file: about a seller, or about a member of staff."""

    seller_id: str = ""
    actor_id: str = ""
    #: A seller's is a key of `KINDS`; a member of staff sold `access` or `removals`.
    kind: str
    started_at: str
    #: A removal is no flip: sellers who bought removals have none, and of staff who sold them the removals are told.
    paid_flips: int
    paid_review_ids: list[str]
    run: Run


def wanted(ways: Cheats, sellers: int) -> list[str]:
    """The kinds of cheats in a market of so many sellers, one for each cheat."""
    least = ways.at_least if ways.share and sellers >= 20 else 0
    return list(islice(cycle(ways.kinds), max(round(ways.share * sellers), least)))


def take(left: list[str], small: bool) -> str | None:
    """The next kind for a seller, taken from those that are left; a ring has small sellers only."""
    place = next((place for place, kind in enumerate(left) if small or not KINDS[kind].ring), None)
    return None if place is None else left.pop(place)
