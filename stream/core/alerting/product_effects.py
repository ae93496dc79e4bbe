"""What a seller's flips do to the displayed ratings of its products.

Invariant: it follows from the flips and the products' sums alone, and is computed for an alert only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from stream.contract.alerts import ProductEffect
from stream.core.model.flips import Flip
from stream.core.subjects.product_rating import ProductRating

#: The most products in one alert.
MAX_PRODUCTS: Final = 20
MAX_STARS: Final = 5


def product_effects(flips: Sequence[Flip], ratings: Mapping[str, ProductRating]) -> list[ProductEffect]:
    """Return the effect on each product, those with most flips first.

    Args:
        flips: The flips of one seller's alert, in order of time.
        ratings: The products that the task keeps; they include the flips.
    """
    by_product: defaultdict[str, list[Flip]] = defaultdict(list)
    for flip in flips:
        by_product[flip.product_id].append(flip)
    in_order = sorted(by_product.items(), key=lambda item: (-len(item[1]), item[0]))
    effects = (_effect(product_id, turned, ratings.get(product_id)) for product_id, turned in in_order)
    return [effect for effect in effects if effect is not None][:MAX_PRODUCTS]


def _effect(product_id: str, flips: Sequence[Flip], rating: ProductRating | None) -> ProductEffect | None:
    """Return the effect on one product; None if its displayed reviews are not known."""
    if rating is None:
        return None
    reviews, stars = rating.reviews, rating.stars
    latest = {flip.review_id: flip for flip in flips}  # a review may turn twice; undoing both would count it twice
    for flip in latest.values():
        if flip.stars_after is None:
            reviews, stars = reviews + 1, stars + flip.stars_before
        else:
            stars -= flip.stars_after - flip.stars_before
    if not (_is_possible(rating.reviews, rating.stars) and _is_possible(reviews, stars)):
        return None
    means = _mean(rating.reviews, rating.stars), _mean(reviews, stars)
    return ProductEffect(product_id, len(flips), rating.reviews, *means)


def _is_possible(reviews: int, stars: int) -> bool:
    """Return whether that many reviews can have that many stars; not if reviews were changed that were never seen."""
    return reviews >= 0 and reviews <= stars <= MAX_STARS * reviews


def _mean(reviews: int, stars: int) -> float | None:
    return stars / reviews if reviews else None
