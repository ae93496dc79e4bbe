"""Cheats: what dishonest sellers add to an honest life.

Rule of this room: a cheat changes plans (a contact more, a paid flip) with draws of its own and never an honest draw.
What came of it is for `story` to tell: whoever turns before the money comes was not paid.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from stream.market.chance import Weighted, between, lognormal
from stream.market.hazards import DAY
from stream.market.honest import Review, Seller, Turn, contact
from stream.market.scenarios import Bribes

_CHANNELS: Final = Weighted({"message": 0.6, "gift_card": 0.25, "refund": 0.15})
#: Money buys the full score.
_BETTER: Final = Weighted({5: 0.9, 4: 0.1})
#: Payers know which review they pay for; their mailing tools are as forgetful as those of others.
_UNNAMED: Final = 0.1


class Run(msgspec.Struct, frozen=True):
    """The parameters of a run."""

    scenario: str
    seed: int
    sellers: int
    days: int


class Cheat(msgspec.Struct):
    """A line of the truth file."""

    seller_id: str
    kind: str
    started_at: str
    paid_flips: int
    paid_review_ids: list[str]
    run: Run


def count(ways: Bribes, sellers: int) -> int:
    """How many of so many sellers cheat."""
    least = ways.at_least if ways.share and sellers >= 20 else 0
    return max(round(ways.share * sellers), least)


def bribe(
    ways: Bribes, of: Seller, reviews: list[Review], start: float, until: float, random: np.random.Generator
) -> float:
    """Approach the authors of critical reviews from some day on; the time of that start."""
    since = start + between(random, ways.start) * (until - start)
    approached, power, retracts = (between(random, ends) for ends in (ways.approached, ways.power, ways.retracts))
    for review in reviews:
        if review.critical_from == np.inf:
            continue
        share = _share(ways, since - review.critical_from, approached)
        if random.random() >= share:
            continue
        at = max(since, review.critical_from) + lognormal(random, ways.approach_days, ways.approach_sigma) * DAY
        review.contacts.append(contact(of, at, _CHANNELS.draw(random), _UNNAMED, random))
        if random.random() < power:
            paid_at = at + lognormal(random, ways.delay_days, ways.delay_sigma) * DAY
            review.paid = Turn(paid_at, None if random.random() < retracts else _BETTER.draw(random))
    return since


def _share(ways: Bribes, open_before_start_seconds: float, approached: float) -> float:
    """The chance that a critical review is approached, by how long it had stood when the cheating began."""
    if open_before_start_seconds <= 0:
        return approached
    return ways.approached_old if open_before_start_seconds < ways.old_days * DAY else 0.0
