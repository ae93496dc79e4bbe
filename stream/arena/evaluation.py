"""The evaluation of a contest: recall, delay and false alarms, at equal numbers of false alarms.

Invariant: a threshold belongs to one competitor and one number of false sellers a market. It is the same in all
markets, as in production.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import Final, NamedTuple

import msgspec

from stream.arena.records import Performance, ScoreTrajectory, StaffScore
from stream.arena.shares import Share

#: Numbers of honest sellers accused a market, for which the tables are made.
FALSE_A_MARKET: Final = (0.5, 1.0, 2.0)
#: By paid flips: least, most.
SIZES: Final = {"20+": (20, math.inf), "8-19": (8, 19), "4-7": (4, 7)}
#: Results by kind and delays include cheats with this many paid flips or more: finding smaller ones is mostly chance.
FEWEST: Final = 8


class OperatingPoint(msgspec.Struct):
    """The results of a competitor at one threshold."""

    threshold: float
    #: May be lower than the number allowed, if many honest sellers have the same score.
    false_a_market: float
    by_size: dict[str, Share]
    by_kind: dict[str, Share]
    #: Medians over the found cheats with FEWEST paid flips or more; None if no such cheat was found.
    delay_flips: float | None
    delay_days: float | None
    #: False alarms by the seller's confounders; a seller with several counts for each.
    by_confounder: dict[str, int]


class Alarm(NamedTuple):
    """When a cheat was found: paid flips and days since it began."""

    flips: int
    days: float


def threshold(performances: list[Performance], false_a_market: float) -> float:
    """Return the score above which a seller is accused.

    It leaves this number of honest sellers accused a market, or fewer if scores are equal.
    """
    allowed = int(false_a_market * len(performances))
    highest = heapq.nlargest(allowed + 1, (score for one in performances for score in one.honest.values()))
    return highest[allowed] if len(highest) > allowed else -math.inf


def first_alarm(trajectory: ScoreTrajectory, above: float) -> Alarm | None:
    """Return the first step above a threshold, if any."""
    return next((Alarm(flips, days) for days, score, flips in trajectory.steps if score > above), None)


def operating_point(performances: list[Performance], above: float) -> OperatingPoint:
    """Evaluate a competitor at a threshold."""
    cheats = [(cheat, first_alarm(cheat, above)) for one in performances for cheat in one.cheats.values()]
    large = [(cheat, alarm) for cheat, alarm in cheats if cheat.paid_flips >= FEWEST]
    alarms = [alarm for _, alarm in large if alarm]
    false = [(one, seller) for one in performances for seller, score in one.honest.items() if score > above]
    return OperatingPoint(
        threshold=above,
        false_a_market=len(false) / max(len(performances), 1),
        by_size={
            size: _share(alarm is not None for cheat, alarm in cheats if least <= cheat.paid_flips <= most)
            for size, (least, most) in SIZES.items()
        },
        by_kind={
            kind: _share(alarm is not None for cheat, alarm in large if cheat.kind == kind)
            for kind in sorted({cheat.kind for cheat, _ in large})
        },
        delay_flips=median(alarm.flips for alarm in alarms) if alarms else None,
        delay_days=median(alarm.days for alarm in alarms) if alarms else None,
        by_confounder=_by_confounder(false),
    )


def _by_confounder(false: Iterable[tuple[Performance, str]]) -> dict[str, int]:
    return dict(Counter(name for one, seller in false for name in one.confounders.get(seller, ["nothing"])))


def _share(found: Iterable[bool]) -> Share:
    outcomes = list(found)
    return Share(sum(outcomes), len(outcomes))


class BudgetResult(msgspec.Struct):
    """The results of a product at the threshold of its default budget."""

    false_sellers: int
    allowed_sellers: float
    by_size: dict[str, Share]
    by_confounder: dict[str, int]
    #: Insiders accused, by what they sold; honest staff accused, and the number allowed.
    insiders: dict[str, Share] = msgspec.field(name="rogue_staff")
    false_staff: int
    allowed_staff: float


def budget_result(performances: list[Performance], budget: float) -> BudgetResult:
    """Evaluate a product's alerts at a budget of false alarms per 1,000 subjects a year."""
    cheats = [(cheat, seller in one.accused) for one in performances for seller, cheat in one.cheats.items()]
    false = [(one, seller) for one in performances for seller in one.accused if seller in one.honest]
    honest_staff = [(one, each) for one in performances for each in one.staff.values() if not each.sold]

    def staff_share(sold: str) -> Share:
        return _accused(one for performance in performances for one in performance.staff.values() if one.sold == sold)

    return BudgetResult(
        false_sellers=len(false),
        allowed_sellers=sum(one.seller_years() for one in performances) * budget / 1000,
        by_size={
            size: _share(accused for cheat, accused in cheats if least <= cheat.paid_flips <= most)
            for size, (least, most) in SIZES.items()
        },
        by_confounder=_by_confounder(false),
        insiders={sold: staff_share(sold) for sold in ("access", "removals")},
        false_staff=sum(each.accused for _, each in honest_staff),
        allowed_staff=sum(one.days for one, _ in honest_staff) / 365 * budget / 1000,
    )


def _accused(staff: Iterable[StaffScore]) -> Share:
    return _share(one.accused for one in staff)


def recall_curve(
    performances: list[Performance], rates: Iterable[float], selects: Callable[[ScoreTrajectory], bool]
) -> list[tuple[float, float]]:
    """Return the recall of the selected cheats at each number of false sellers a market."""
    cheats = [cheat for one in performances for cheat in one.cheats.values() if selects(cheat)]
    points = []
    for rate in rates:
        above = threshold(performances, rate)
        found = sum(first_alarm(cheat, above) is not None for cheat in cheats)
        points.append((rate, found / max(len(cheats), 1)))
    return points
