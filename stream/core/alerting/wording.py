"""An alert in words: the explanation, and the questions for a person.

Invariant: every number in a sentence is a field of the alert's evidence. No sentence claims more than the evidence: an
alert compares flips with an expectation and states the odds. Ids stand in it without hidden characters.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Final

from stream.contract.alerts import ConnectorRef, Evidence, Kind, Payment, Ring, Subject, SubjectType
from stream.core.evidence.payment import PAYMENT_ODDS
from stream.core.model.finding import Finding
from stream.core.model.strata import CONTACT_DAYS
from stream.core.model.sums import total
from stream.texts import counted, listed, visible

#: What was counted, and what the expectation rests on.
_COUNTED: Final[dict[Kind, tuple[str, str]]] = {
    "seller.flips": ("turned", "from the seller's peers"),
    "seller.contact_flips": ("turned within {days} days of a contact", "from the seller's peers"),
    "seller.access_flips": ("turned within {days} days of a look-up by staff", "from the seller's peers"),
    "staff.access_flips": (
        "turned within {days} days of a look-up by this staff member",
        "from all reviews that staff looked up",
    ),
    "staff.removals": (
        "were removed by this staff member",
        "from the share of critical reviews among other staff's removals",
    ),
    "reviewer.flips": ("turned", "from the share of all authors' critical reviews that turn"),
}
#: The parts of the evidence about the subject's level, those about the number of flips, and those about deletions.
_LEVELS: Final = ("own_level", "controls")
_COUNTS: Final = frozenset(("count", "baseline_uncertainty", "own_level", "controls", "long_run"))
_DELETIONS: Final = frozenset(("deletions",))
_SUBJECTS: Final[dict[SubjectType, str]] = {
    "seller": "Seller",
    "staff": "Staff member",
    "product": "Product",
    "ring": "Ring",
    "reviewer": "Reviewer",
}
#: What the odds are for.
_CLAIMS: Final[dict[SubjectType, str]] = {
    "seller": "Odds of a real increase against chance",
    "reviewer": "Odds that this author turns a large part of its critical reviews, against an author like others",
}
#: What ties a ring's members, by the type of its connector.
_CONNECTORS: Final = {
    "staff": "look-ups by staff member {id}",
    "owner": "the owner {id}",
    "bank_account": "the bank account {id}",
    "device": "the device {id}",
    "address": "the address {id}",
    "other": "the link {id}",
}


def render(
    kind: Kind,
    subject: Subject,
    evidence: Evidence,
    by_authors: bool,
    earlier: Finding | None = None,
    n_linked: int = 0,
    confirmed: bool = False,
    n_extorted: int = 0,
) -> str:
    """Return the explanation of an alert; what weighs most comes first. Rating shifts have one of their own.

    Args:
        kind, subject, evidence: Of the alert.
        by_authors: Whether the reviews' authors changed them, or the platform removed them.
        earlier: What the alert adds to; None for a new finding.
        n_linked: Flips whose reviews were looked up by staff accused over other sellers.
        confirmed: Whether a verdict has confirmed the seller as a cheat.
        n_extorted: Flips by reviewers who are named for turning a large part of their critical reviews.
    """
    count = _count(kind, evidence) if evidence.ring is None else _ring(evidence.ring, evidence)
    sentences = [f"{_named(subject)}: {count}."]
    if by_authors:
        deletions = _weight(evidence, _DELETIONS) > _weight(evidence, _COUNTS)
        sentences.insert(0 if deletions else 1, _changes(subject, evidence, first=deletions))
        if deletions:
            sentences[1] = f"{count[0].upper()}{count[1:]}."
    sentences.append(f"{_CLAIMS.get(subject.type, _CLAIMS['seller'])}: {_odds(evidence.odds)} to 1.")
    if evidence.ring is not None:
        sentences.append(
            f"Without its strongest member they are {_odds(evidence.ring.odds_without_strongest)} to 1. This accuses "
            "no member by itself."
        )
    if evidence.payment is not None:
        sentences.append(_payment(evidence.payment))
    if n_linked:
        sentences.append(
            f"Staff accused over other sellers looked up {n_linked} of these reviews, so more than an investigation "
            "may be recommended."
        )
    if n_extorted:
        sentences.append(
            f"Reviewers who turn a large part of their critical reviews at many sellers turned {n_extorted} of these. "
            "That speaks for the seller: they may have asked it for money."
        )
    if subject.type == "reviewer":
        sentences.append(
            "A reviewer who does this may be asking sellers for money; the sellers are then victims and no cheats."
        )
    if confirmed:
        sentences.append("An earlier verdict confirmed the seller, so more than an investigation may be recommended.")
    if earlier is not None:
        day = dt.datetime.fromtimestamp(earlier.raised_at, dt.UTC)
        sentences.append(
            f"This takes the place of the alert of {day:%d %b %Y} ({earlier.severity}), which had "
            f"{counted(earlier.flips, 'review')} and odds of {_odds(math.exp(earlier.log_odds))} to 1."
        )
    return " ".join(sentences)


def _named(subject: Subject) -> str:
    return f"{_SUBJECTS[subject.type]} {visible(subject.id)}"


def _ring(ring: Ring, evidence: Evidence) -> str:
    ties = listed([connector_text(connector) for connector in ring.connectors])
    by_staff = all(connector.type == "staff" for connector in ring.connectors)
    looked_up = f" within {CONTACT_DAYS} days of a look-up" if by_staff else ""
    return (
        f"{counted(len(ring.members), 'seller')} tied by {ties}; {evidence.flips} of their critical reviews "
        f"turned{looked_up} since {evidence.since:%d %b %Y}; {evidence.expected:.1f} expected from their peers"
    )


def connector_text(connector: ConnectorRef) -> str:
    """Return what ties a ring's members, in words."""
    return _CONNECTORS.get(connector.type, _CONNECTORS["other"]).format(id=visible(connector.id))


def _count(kind: Kind, evidence: Evidence) -> str:
    what, basis = _COUNTED[kind]
    what = what.format(days=CONTACT_DAYS)
    if evidence.flips == 1:
        what = what.replace("were removed", "was removed")
    times = f" ({evidence.ratio:.1f} times as many as expected)" if evidence.ratio is not None else ""
    found = (
        f"{counted(evidence.flips, 'critical review')} {what} since {evidence.since:%d %b %Y}; "
        f"{evidence.expected:.1f} expected {basis}{times}"
    )
    known = [part.numbers for part in evidence.parts if part.name in _LEVELS]
    if not known:
        return found
    level = known[-1]["level_flips"] / known[-1]["level_expected"]
    return f"{found}, {level * evidence.expected:.1f} at its own level of {level:.1f}"


def _changes(subject: Subject, evidence: Evidence, first: bool) -> str:
    """Return what the authors did, and how often peers' reviews are deleted."""
    offered = f"; something of value was offered before {evidence.incentives} of them" if evidence.incentives else ""
    share = next((part.numbers["peers_share"] for part in evidence.parts if part.name == "deletions"), None)
    usual = "" if share is None else f" ({100 * share:.0f} % of peers' turned reviews are deleted)"
    kept = evidence.upgraded + evidence.retracted
    begin = "the author" if subject.type == "reviewer" else "authors"
    if kept != evidence.flips:
        begin = f"details of {kept} of the turned reviews are kept; of these, {begin}"
    begin = f"{_named(subject)}: {begin}" if first else f"{begin[0].upper()}{begin[1:]}"
    return f"{begin} deleted {evidence.retracted}{usual} and upgraded {evidence.upgraded}{offered}."


def _payment(payment: Payment) -> str:
    """Return whether the flips look bought, and the mark that weighs most."""
    strongest = max(payment.parts, key=lambda part: abs(part.log_odds), default=None)
    because = "" if strongest is None else f": {strongest.text[0].lower()}{strongest.text[1:]}"
    if payment.odds >= PAYMENT_ODDS:
        return f"The changes look bought, {_odds(payment.odds)} to 1{because}"
    if f"{max(payment.odds, 1 / payment.odds):.1f}" == "1.0":
        return "The marks of payment say nothing for or against it."
    if payment.odds >= 1:
        return f"Nothing clearly shows that they were bought ({payment.odds:.1f} to 1)."
    if payment.odds > 1 / PAYMENT_ODDS:
        return f"The marks of payment speak rather against it ({1 / payment.odds:.1f} to 1)."
    return f"The changes do not look bought, {_odds(1 / payment.odds)} to 1{because}"


def _weight(evidence: Evidence, names: frozenset[str]) -> float:
    return total(part.log_odds for part in evidence.parts if part.name in names)


def render_rating_shift(product_id: str, seller_id: str, evidence: Evidence, n_events: int) -> str:
    """Return the explanation of a product's rating shift, found in its last `n_events` rating events."""
    stars = evidence.stars_moved / max(evidence.flips, 1)
    return (
        f"{_named(Subject('product', product_id))} of seller {visible(seller_id)}: turned reviews raise its displayed "
        f"rating more than before. {evidence.flips} of its last {n_events} rating events are turned reviews, worth "
        f"{stars:.2f} stars each on average."
    )


_CHECKS: Final[dict[Kind, list[str]]] = {
    "seller.flips": [
        "Was one of the seller's products repaired, recalled or confused with another product in this period?",
        "Were these reviews part of a review bomb whose authors changed their minds?",
    ],
    "seller.contact_flips": [
        "Did the seller's support, or its replies to critical reviews, improve in this period?",
        "Did the contacts offer anything of value in return for a change?",
    ],
    "seller.access_flips": [
        "Did support solve these reviewers' problems, and do tickets show it?",
        "Was it part of their work that these staff looked up these reviews?",
    ],
    "staff.access_flips": [
        "Do these look-ups belong to solved tickets of a kind that other staff do not handle?",
    ],
    "staff.removals": [
        "Was this staff member given only critical reviews to check, unlike other staff?",
        "Did the removed reviews break a rule of the platform?",
    ],
    "reviewer.flips": [
        "Do messages of this reviewer to sellers ask for money or goods?",
        "Do several people use this account, such as a family or a company?",
        "Does this reviewer check again after every reply, and change a review when the problem is solved?",
    ],
    "ring.insider": [
        "Do these look-ups belong to solved tickets of a kind that other staff do not handle?",
        "Is this staff member responsible for these sellers?",
    ],
    "ring.linked": [
        "Do these sellers have an honest reason for what they have in common, such as one owner or one accountant?",
        "Did they change something at the same time, such as a product or their support?",
    ],
    "product.rating_shift": ["Did the product change, or did its listing take over another product's reviews?"],
}


def checks(kind: Kind) -> list[str]:
    """Return what might make an alert of this kind wrong, as questions to a person."""
    return _CHECKS[kind]


def _odds(odds: float) -> str:
    return f"{odds:,.1f}" if odds < 100 else f"{odds:,.0f}" if odds < 1e6 else "over a million"
