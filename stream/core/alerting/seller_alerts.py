"""Alerts on sellers, and on the products whose ratings shift.

Invariant: a seller is evaluated at each of its flips; what only an alert needs is asked for once there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from stream.contract.alerts import Alert, Kind, Link, Subject
from stream.core.alerting import wording
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import MAX_LINKS, MAX_REVIEW_IDS, other_watches, rating_shift_evidence, top_links
from stream.core.alerting.policy import AlertPolicy, is_muted
from stream.core.baseline.baseline import Baseline
from stream.core.evidence.payment import payment_parts
from stream.core.evidence.watches import ACCESS_WATCH, SELLER_WATCHES
from stream.core.model.flips import Flip
from stream.core.model.sums import total
from stream.core.subjects.linked_sellers import linked_report
from stream.core.subjects.product_rating import DriftBuffer, ProductRating
from stream.core.subjects.seller import Seller
from stream.core.subjects.seller_evidence import evaluate_seller


class FlipContext(NamedTuple):
    """What is known at a seller's latest flip, beside the seller and its market.

    Attributes:
        event_id: The event of the flip.
        at: The event clock (epoch seconds).
        percentile: The pattern score of the flip, 0 to 1.
        linked: See `seller_evidence.evaluate_seller`.
        rings: The rings that the seller is a member of, and whether they move its odds.
        turned_by: Returns the reviews that named reviewers have turned, by reviewer; only an alert needs them.
        open_products: Returns the seller's open critical reviews by product; few evaluations need it.
        ratings: The task's products, with the flip; only an alert needs them.
    """

    event_id: str
    at: float
    percentile: float
    linked: list[bool]
    rings: Mapping[str, bool]
    turned_by: Callable[[], Mapping[str, set[str]]]
    open_products: Callable[[], Mapping[str, int]]
    ratings: Mapping[str, ProductRating]


def evaluate(policy: AlertPolicy, seller: Seller, baseline: Baseline, context: FlipContext) -> list[Alert]:
    """Evaluate a seller after its latest flip, update its weight, and raise alerts.

    Args:
        policy: What decides.
        seller, baseline: See `seller_evidence.evaluate_seller`.
        context: What is known at the flip.
    """
    linked, rings, now = context.linked, context.rings, context.at
    evidence = evaluate_seller(seller, baseline, linked, in_ring=any(rings.values()))
    log_odds, strongest_window = evidence.log_odds, evidence.strongest_window
    if seller.links:
        seller.linked_report = linked_report(seller, evidence, context.event_id, seller.flips[-1:])
    seller.update_weight(log_odds, baseline, now)
    number = log_odds.index(max(log_odds))
    if log_odds[number] < policy.log_thresholds["seller"]:
        return []
    if seller.verdict is not None and now < seller.verdict.muted_until:
        return []
    watch, found = SELLER_WATCHES[number], strongest_window(number)
    window_flips = seller.flips[found.window :]
    are_linked = linked[found.window :] if number == ACCESS_WATCH and linked else [False] * len(window_flips)
    exposed = [pair for pair in zip(window_flips, are_linked, strict=True) if pair[0].group in found.exposed]
    # The evidence on an insider's client counts the linked flips only.
    as_client = any(part.name == "insider_client" for part in found.parts)
    flips = [flip for flip, is_linked in exposed if is_linked or not as_client]
    if not flips:  # at a threshold of even odds a window without exposed flips may contribute most
        return []
    n_linked = len([flip for flip, is_linked in exposed if is_linked])
    # Of the reviews that the alert names: so the case counts the same ones.
    of_reviewers = _links_to_reviewers(flips[-MAX_REVIEW_IDS:], context.turned_by())
    draft = AlertDraft(
        kind=watch.kind,
        subject=Subject("seller", seller.seller_id),
        n_flips=len(flips),
        flips=flips,
        linked=[
            *(Link("ring", ring_id, len(flips)) for ring_id in sorted(rings)),
            *of_reviewers,
            *top_links("staff", (actor_id for flip in flips for actor_id in flip.actor_ids)),
        ][:MAX_LINKS],
        times=[flip.at for flip in seller.flips[found.window :]],
        window_evidence=found,
        event_id=context.event_id,
        at=now,
        patterns={"half_space_trees": context.percentile},
        by_authors=True,
        also=other_watches(zip((watch.kind for watch in SELLER_WATCHES), log_odds, strict=True), watch.kind),
        payment=payment_parts(flips, baseline.present_marks(), context.open_products()),
        n_linked=n_linked,
        confirmed=seller.verdict is not None and seller.verdict.confirmed,
        n_extorted=round(total(link.flips for link in of_reviewers)),
        ratings=context.ratings,
    )
    seller.finding, alerts = policy.report(draft, seller.finding, seller.alerted_at, seller.evaluated_since())
    return alerts


def _links_to_reviewers(flips: list[Flip], turned_by: Mapping[str, set[str]]) -> list[Link]:
    """Return the named reviewers who turned some of these reviews, those with most of them first."""
    names = (name for flip in flips for name, review_ids in turned_by.items() if flip.review_id in review_ids)
    return top_links("reviewer", names)


def evaluate_rating_shift(
    policy: AlertPolicy, seller: Seller, product_id: str, buffer: DriftBuffer, event_id: str, now: float
) -> list[Alert]:
    """Raise an alert about a product's rating shift, if its seller's evidence is at least even odds.

    Args:
        policy: What decides.
        seller: The product's seller.
        product_id: The product.
        buffer: The product's rating events up to the shift.
        event_id: The event at which the shift was detected.
        now: Epoch seconds.
    """
    kind: Kind = "product.rating_shift"
    name = f"{kind}/{product_id}"
    if max(seller.log_odds, default=-math.inf) < 0 or is_muted(seller.alerted_at, name, now, seller.evaluated_since()):
        return []
    if seller.verdict is not None and now < seller.verdict.muted_until:
        return []
    seller.alerted_at[name] = now
    evidence = rating_shift_evidence(seller, buffer, event_id, now)
    n_events = buffer.latest_half().length
    sentence = wording.render_rating_shift(product_id, seller.seller_id, evidence, n_events)
    patterns = {"adwin_width": float(buffer.length)}
    return [policy.alert(kind, Subject("product", product_id), now, "low", evidence, patterns, sentence)]
