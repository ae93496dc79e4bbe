"""An alert in words: the sentence a person reads, how grave it is, what one might do."""

from __future__ import annotations

from typing import Final

from stream.alerts import Action, Kind, Severity

_HOW: Final[dict[Kind, str]] = {
    "seller.flips": "{noun} turned since {since:%d %b %Y}",
    "seller.access_flips": "{noun} turned within 30 days of a look-up by staff since {since:%d %b %Y}",
    "seller.contact_flips": "{noun} turned within 30 days of a contact since {since:%d %b %Y}",
}


def severity(log_excess: float) -> Severity:
    """By how far the evidence passes its threshold (natural log): a factor of 10, 100, 10,000."""
    if log_excess < 2.3:
        return "low"
    if log_excess < 4.6:
        return "medium"
    return "high" if log_excess < 9.2 else "critical"


def action(grave: Severity, incentives: int, flips: int) -> Action:
    """Advice for an analyst; nothing is ever done by itself."""
    if grave == "low":
        return "watch"
    if grave == "medium":
        return "investigate"
    if grave == "critical":
        return "withhold_funds" if 2 * incentives >= flips else "suspend_seller"
    return "restore_ratings"


def seller_sentence(
    kind: Kind, seller_id: str, since: object, flips: int, expected: float, upgraded: int, retracted: int,
    incentives: int, odds: float,
) -> str:  # fmt: skip
    """One sentence on a seller's flips."""
    how = _HOW[kind].format(since=since, noun="critical review" if flips == 1 else "critical reviews")
    gifts = f", {incentives} after something of value was offered" if incentives else ""
    return (
        f"Seller {seller_id}: {flips} {how}; {expected:.1f} expected from peers and its own past "
        f"({flips / expected:.1f} times as many). {upgraded} upgraded, {retracted} deleted by their authors{gifts}. "
        f"Odds that this began by other means than chance: {_odds(odds)} to 1."
    )


def product_sentence(product_id: str, seller_id: str, turned: int, events: int, lift: float) -> str:
    """One sentence on a product's shift."""
    return (
        f"Product {product_id} of seller {seller_id}: turned reviews lift its displayed rating more than before; "
        f"{turned} of its last {events} rating events are turns, worth {lift:.2f} stars each on average."
    )


def _odds(odds: float) -> str:
    return f"{odds:,.1f}" if odds < 100 else f"{odds:,.0f}" if odds < 1e6 else "over a million"
