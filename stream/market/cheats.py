"""Cheats: the kinds of cheat, which sellers cheat, and the lines of the truth file about them.

Invariant: a kind is an entry in a table; its fields describe the behaviour, and `payments` plans it. Sellers become
cheats in the order of their numbers, lowest first: detectors see ids as keys and nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, Literal

import msgspec

from stream.market.scenarios import Cheats

#: How a cheat reaches the reviewer: by a message on the platform, by contact data that staff sold, or by ways that
#: leave no trace; or not at all, because staff remove the review.
ApproachChannel = Literal["contact", "access", "none", "removal"]
_ANY: Final[tuple[ApproachChannel, ...]] = ("contact", "access", "none")


@dataclass(frozen=True)
class CheatKind:
    """How one kind of cheat differs from the parameters of its world (`PaymentParameters`)."""

    #: One channel is drawn for each seller.
    channels: tuple[ApproachChannel, ...] = ("contact",)
    #: The start, in shares of the seller's span: with time before it to learn the seller's level, and time after it.
    start: tuple[float, float] = (0.2, 0.8)
    #: For how many days the seller pays, spread evenly; None: to the end.
    lasts_days: tuple[float, float] | None = None
    #: Factor on the usual delays of approach and payment.
    delay_factor: float = 1.0
    #: The seller approaches reviews open at the start up to this age; the share of them, None: the world's.
    old_days: float = 60.0
    approached_old: float | None = None
    #: The seller approaches no review before it has reached an age drawn from this range.
    min_age_days: tuple[float, float] | None = None
    #: Paid flips a month at most.
    flips_a_month: tuple[float, float] | None = None
    #: The seller replies in public to nearly all critical reviews, honestly, through the whole run.
    replies: bool = False
    #: The seller pays during a product fix or a review bomb that it stages.
    covered: bool = False
    #: One of many small sellers with the same broker, which all start when the broker does.
    ring: bool = False


#: By name. Days and shares are such that a kind shows its purpose in a run of some months.
KINDS: Final[dict[str, CheatKind]] = {
    "bribes": CheatKind(),
    "leaked": CheatKind(channels=("access",)),
    "hidden": CheatKind(channels=("none",)),
    "drip": CheatKind(channels=_ANY, start=(0.05, 0.35), approached_old=0.0, flips_a_month=(2.0, 5.0)),
    # A burst takes the reviews already open: a few days bring too few new reviews.
    "burst": CheatKind(channels=_ANY, lasts_days=(3.0, 10.0), delay_factor=0.3, old_days=120.0, approached_old=0.7),
    "ring": CheatKind(channels=("access",), ring=True),
    "replier": CheatKind(channels=("none",), replies=True),
    "first_day": CheatKind(channels=_ANY, start=(0.0, 0.0)),
    "cover": CheatKind(channels=_ANY, lasts_days=(10.0, 20.0), delay_factor=0.5, approached_old=0.4, covered=True),
    # Later in a run there are more old reviews; their authors are hard to find, which takes five times as long.
    "old": CheatKind(
        channels=_ANY,
        start=(0.3, 0.7),
        delay_factor=5.0,
        old_days=300.0,
        approached_old=0.6,
        min_age_days=(60.0, 300.0),
    ),
    "removals": CheatKind(channels=("removal",)),
}

#: The kind in the truth of a seller that buys from brokers and does not cheat by itself.
CLIENT: Final = "client"


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parameters of a run."""

    scenario: str
    seed: int
    sellers: int
    days: int
    world: int = 0
    #: The events of the file `scenario` as they are, without planted cheats; in the arena only.
    as_is: bool = False


class Cheat(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of the truth file: about a seller, or about a staff member."""

    seller_id: str = ""
    actor_id: str = ""
    #: For a seller a key of `KINDS`, or `client` if it only buys from brokers. For a staff member `access` or
    #: `removals`, what it sold.
    kind: str
    #: RFC 3339, UTC.
    started_at: str
    #: A removal is no flip: 0 for a seller that bought removals. For a staff member the number of reviews sold, flips
    #: or removals.
    paid_flips: int
    paid_review_ids: list[str]
    run: Run


def wanted_kinds(scenario: Cheats, sellers: int) -> list[str]:
    """Return the kinds of the cheats in a market of this many sellers, one for each cheat."""
    least = scenario.at_least if scenario.share and sellers >= 20 else 0
    return list(islice(cycle(scenario.kinds), max(round(scenario.share * sellers), least)))


def take_kind(left: list[str], small: bool) -> str | None:
    """Remove the next kind for a seller from those left and return it; only small sellers join a ring."""
    place = next((place for place, kind in enumerate(left) if small or not KINDS[kind].ring), None)
    return None if place is None else left.pop(place)
