"""The parameters of a market: how honest sellers and reviewers behave, and how cheating sellers pay.

Invariant: parameters only, frozen, each with its reason. The defaults are world 0; `worlds` draws other values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stream.market.sampling import WeightedChoice, weighted_choice

#: Mostly words; a seller that gives something makes up for a bad purchase.
_HONEST_CHANNELS: Final = weighted_choice(
    {"message": 0.5, "public_reply": 0.2, "refund": 0.12, "replacement": 0.1, "coupon": 0.08}
)
#: A message names the money later, or the payment comes as a gift.
_PAID_CHANNELS: Final = weighted_choice({"message": 0.6, "gift_card": 0.25, "refund": 0.15})


@dataclass(frozen=True)
class HonestParameters:
    """The honest behaviour, which cheats share."""

    #: Reviews a day: lognormal, median and spread. Marketplaces have a few giants and a long tail.
    volume_median: float = 2.5
    volume_sigma: float = 0.85
    #: The most reviews a day of any seller: one giant must not fill the file.
    volume_most: float = 30.0
    #: Share of critical reviews, beta: mean 22.5 %, most sellers between 12 % and 35 %.
    critical: tuple[float, float] = (9.0, 31.0)
    #: Shape of the frailty, gamma with mean 1: some honest sellers win back several times as many reviews as others.
    frailty_shape: float = 2.0
    #: A seller contacts a share of its critical reviewers, uniform up to this: from no support to a diligent one.
    outreach_most: float = 0.6
    #: Hours from a critical review to a legitimate contact, lognormal: the next working day, some within the hour.
    outreach_hours: float = 24.0
    outreach_sigma: float = 1.0
    #: How a seller makes a legitimate contact.
    channels: WeightedChoice[str] = _HONEST_CHANNELS
    #: Share of contacts that name only the reviewer: mailing tools know customers, not reviews.
    outreach_unnamed: float = 0.1
    #: Share of flips that are retractions: most authors who are content again edit, few delete.
    retracts: float = 0.18
    #: Shares of reviews with an edit that is no flip: text only, of any review; a good review moved between 4 and 5; a
    #: good review that becomes critical; a critical review moved within 1-3.
    edits_text: float = 0.02
    edits_good: float = 0.01
    edits_down: float = 0.002
    edits_critical: float = 0.01
    #: Share of reviews whose edits carry `previous_rating`: it is optional, and not all producers know it.
    previous_known: float = 0.7
    #: Share of reviews that the platform removes, whatever the stars (spam, abuse), and the share of these removals
    #: that a staff member makes by hand.
    removed: float = 0.012
    removed_by_hand: float = 0.6
    #: Share of critical reviews whose author's contact data honest support looks up.
    looked_up: float = 0.04
    #: Share of reviews by frequent reviewers, from a pool that all sellers share; all other reviewers review once.
    regulars: float = 0.05


@dataclass(frozen=True)
class PaymentParameters:
    """How sellers pay for flips, unless their kind of cheat says otherwise."""

    #: Share of the critical reviews after the start that the seller approaches: not all addresses are for sale.
    approached: tuple[float, float] = (0.6, 1.0)
    #: Share of the reviews still open at the start, up to 60 days old: payers mostly want fresh reviews.
    approached_old: float = 0.12
    #: Days from review to approach, lognormal: the seller has to buy an address first.
    approach_days: float = 1.2
    approach_sigma: float = 0.8
    #: How a seller approaches a reviewer on the platform.
    channels: WeightedChoice[str] = _PAID_CHANNELS
    #: Chance that an approach brings a paid flip, by seller. Reported brokers promised more than they reached.
    power: tuple[float, float] = (0.25, 0.6)
    #: Days from approach to flip, lognormal: an exchange of messages, then the money.
    delay_days: float = 2.0
    delay_sigma: float = 0.8
    #: Share of paid flips that are deletions, by seller: brokers sold both.
    retracts: tuple[float, float] = (0.3, 0.7)
    #: Share of the paid upgrades that go to five stars: sellers pay for the full score.
    five_stars: float = 0.9
    #: Share of contacts that do not name the review: payers know it, but use the same mailing tools as other sellers.
    unnamed: float = 0.1
