"""From what competitors left behind to what they are worth, at equal numbers of false alarms.

Rule of this room: a threshold belongs to one competitor and a number of false sellers a market; it is the same in all
markets, as a team that runs the detector would have it.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import Final, NamedTuple

import msgspec

from stream.arena.records import Course, Performance, Staff

#: Honest sellers accused for each market, for which the tables are made.
FALSE_A_MARKET: Final = (0.5, 1.0, 2.0)
#: By paid flips: from, to.
SIZES: Final = {"20+": (20, math.inf), "8-19": (8, 19), "4-7": (4, 7)}
#: Kinds and delays are told of cheats of so many paid flips or more: fewer are luck for anybody.
FEWEST: Final = 8


class Share(msgspec.Struct, frozen=True):
    """So many of so many."""

    found: int
    of: int


class Level(msgspec.Struct):
    """A competitor at one number of false alarms."""

    threshold: float
    #: May be fewer than allowed, where many honest sellers have the same score.
    false_a_market: float
    by_size: dict[str, Share]
    by_kind: dict[str, Share]
    #: Medians of the cheats that were found, of FEWEST paid flips or more; None where none was.
    delay_flips: float | None
    delay_days: float | None
    #: False alarms by what befell the seller; one whom several things befell counts for each.
    by_confounder: dict[str, int]


class Alarm(NamedTuple):
    """When a cheat was found: paid flips and days since it began."""

    flips: int
    days: float


def threshold(performances: list[Performance], false_a_market: float) -> float:
    """Who scores above it is accused; it leaves so many honest sellers a market, or fewer where scores are equal."""
    allowed = int(false_a_market * len(performances))
    highest = heapq.nlargest(allowed + 1, (score for one in performances for score in one.honest.values()))
    return highest[allowed] if len(highest) > allowed else -math.inf


def alarm(course: Course, above: float) -> Alarm | None:
    """The first step above a threshold."""
    return next((Alarm(flips, days) for days, score, flips in course.steps if score > above), None)


def level(performances: list[Performance], above: float) -> Level:
    """A competitor at a threshold."""
    cheats = [(cheat, alarm(cheat, above)) for one in performances for cheat in one.cheats.values()]
    large = [(cheat, found) for cheat, found in cheats if cheat.paid_flips >= FEWEST]
    alarms = [found for _, found in large if found]
    false = [(one, who) for one in performances for who, score in one.honest.items() if score > above]
    return Level(
        threshold=above,
        false_a_market=len(false) / max(len(performances), 1),
        by_size={
            size: _share(found for cheat, found in cheats if least <= cheat.paid_flips <= most)
            for size, (least, most) in SIZES.items()
        },
        by_kind={
            kind: _share(found for cheat, found in large if cheat.kind == kind)
            for kind in sorted({cheat.kind for cheat, _ in large})
        },
        delay_flips=median(one.flips for one in alarms) if alarms else None,
        delay_days=median(one.days for one in alarms) if alarms else None,
        by_confounder=dict(Counter(what for one, who in false for what in one.befallen.get(who, ["nothing"]))),
    )


def _share(found: Iterable[Alarm | None]) -> Share:
    outcomes = [one is not None for one in found]
    return Share(sum(outcomes), len(outcomes))


class Own(msgspec.Struct):
    """A product at the threshold that its default budget sets."""

    false_sellers: int
    allowed_sellers: float
    by_size: dict[str, Share]
    by_confounder: dict[str, int]
    #: Rogue staff accused, by what they sold; honest staff accused, and allowed.
    rogue_staff: dict[str, Share]
    false_staff: int
    allowed_staff: float


def own(performances: list[Performance], budget: float) -> Own:
    """What was raised at a budget of false alarms per 1,000 subjects a year."""
    cheats = [(cheat, who in one.accused) for one in performances for who, cheat in one.cheats.items()]
    false = [(one, who) for one in performances for who in one.accused if who in one.honest]
    honest_staff = [(one, each) for one in performances for each in one.staff.values() if not each.sold]
    years = budget / 1000 / 365

    def staff_share(sold: str) -> Share:
        return _accused(one for performance in performances for one in performance.staff.values() if one.sold == sold)

    return Own(
        false_sellers=len(false),
        allowed_sellers=sum(len(one.honest) * one.days for one in performances) * years,
        by_size={
            size: Share(
                sum(accused for cheat, accused in cheats if least <= cheat.paid_flips <= most),
                sum(least <= cheat.paid_flips <= most for cheat, _ in cheats),
            )
            for size, (least, most) in SIZES.items()
        },
        by_confounder=dict(Counter(what for one, who in false for what in one.befallen.get(who, ["nothing"]))),
        rogue_staff={sold: staff_share(sold) for sold in ("access", "removals")},
        false_staff=sum(each.accused for _, each in honest_staff),
        allowed_staff=sum(one.days for one, _ in honest_staff) * years,
    )


def _accused(staff: Iterable[Staff]) -> Share:
    outcomes = [one.accused for one in staff]
    return Share(sum(outcomes), len(outcomes))


def curve(
    performances: list[Performance], rates: Iterable[float], of: Callable[[Course], bool]
) -> list[tuple[float, float]]:
    """Recall of the cheats that are asked for, at each number of false alarms a market."""
    cheats = [cheat for one in performances for cheat in one.cheats.values() if of(cheat)]
    points = []
    for rate in rates:
        above = threshold(performances, rate)
        found = sum(alarm(cheat, above) is not None for cheat in cheats)
        points.append((rate, found / max(len(cheats), 1)))
    return points
