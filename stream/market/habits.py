"""The habits of a market's people, as numbers: how sellers and reviewers live, and how those who pay go about it.

Rule of this room: parameters only, frozen, each with its reason. The defaults are world 0; `worlds` draws others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stream.market.chance import Weighted, weighted

#: Words, mostly; who gives something makes good what was bought.
_HONESTLY: Final = weighted({"message": 0.5, "public_reply": 0.2, "refund": 0.12, "replacement": 0.1, "coupon": 0.08})
#: The money is named later, or comes as a gift.
_PAYING: Final = weighted({"message": 0.6, "gift_card": 0.25, "refund": 0.15})


@dataclass(frozen=True)
class Honest:
    """The life that everybody leads, cheats too."""

    #: Reviews a day: lognormal, the median and the spread. Marketplaces have a few giants and a long tail.
    volume_median: float = 2.5
    volume_sigma: float = 0.85
    #: No seller has more a day: one giant must not fill the file.
    volume_most: float = 30.0
    #: Share of critical reviews, beta: 22.5 % in the mean, most sellers between 12 % and 35 %.
    critical: tuple[float, float] = (9.0, 31.0)
    #: Frailty, gamma with mean 1: honest sellers win back several times more, or less, than others.
    frailty_shape: float = 2.0
    #: A seller writes to a share of its critical reviewers, uniform up to this: from no support to a diligent one.
    outreach_most: float = 0.6
    #: Hours from a critical review to a legitimate contact, lognormal: the next working day, some within the hour.
    outreach_hours: float = 24.0
    outreach_sigma: float = 1.0
    #: How a legitimate contact is made.
    channels: Weighted[str] = _HONESTLY
    #: Contacts that name only the reviewer: mailing tools know customers, not reviews.
    outreach_unnamed: float = 0.1
    #: Flips that are retractions: most who are content again say so, few delete.
    retracts: float = 0.18
    #: Edits without a flip: text only, of any review; a good one moved between 4 and 5; a good one turned bad; a
    #: critical one moved within 1-3.
    edits_text: float = 0.02
    edits_good: float = 0.01
    edits_down: float = 0.002
    edits_critical: float = 0.01
    #: `previous_rating` is optional in the contract, and not all producers know it.
    previous_known: float = 0.7
    #: Removed by the platform whatever the stars (spam, abuse), and how often a member of staff did it by hand.
    removed: float = 0.012
    removed_by_hand: float = 0.6
    #: Critical reviews whose author's contact data honest support looks up.
    looked_up: float = 0.04
    #: Reviews by people who review much, from a pool that all sellers share; all others review once.
    regulars: float = 0.05


@dataclass(frozen=True)
class Payments:
    """How sellers pay for flips, unless their kind does otherwise."""

    #: Share of the critical reviews after the start that are approached: not all have an address for sale.
    approached: tuple[float, float] = (0.6, 1.0)
    #: Share of those still open at the start, up to 60 days old: payers mostly want fresh ones.
    approached_old: float = 0.12
    #: Days from review to approach, lognormal: an address has to be bought first.
    approach_days: float = 1.2
    approach_sigma: float = 0.8
    #: How an approach is made on the platform.
    channels: Weighted[str] = _PAYING
    #: Chance that an approach brings a paid flip, by seller. Reported brokers promised more than they reached.
    power: tuple[float, float] = (0.25, 0.6)
    #: Days from approach to flip, lognormal: an exchange of messages, then the money.
    delay_days: float = 2.0
    delay_sigma: float = 0.8
    #: Share of paid flips that are deletions, by seller: brokers sold both.
    retracts: tuple[float, float] = (0.3, 0.7)
    #: Share of the paid upgrades that go to the full score: that is what money buys.
    five_stars: float = 0.9
    #: Payers know which review they pay for; their mailing tools are as forgetful as those of others.
    unnamed: float = 0.1
