"""The life of one critical review, while it could still flip."""

from __future__ import annotations

from stream.core.bands import locate


class Review:
    """An open critical review; `cell` and `due` follow from the rest and the time of the last timer."""

    __slots__ = (
        "cell",
        "contacted_at",
        "created_at",
        "due",
        "incentive",
        "looked_up_at",
        "product_id",
        "rating",
        "review_id",
        "reviewer_id",
        "seller_id",
    )

    def __init__(
        self,
        review_id: str,
        seller_id: str,
        product_id: str,
        reviewer_id: str,
        rating: int,
        created_at: float,
    ) -> None:
        self.review_id = review_id
        self.seller_id = seller_id
        self.product_id = product_id
        self.reviewer_id = reviewer_id
        self.rating = rating
        self.created_at = created_at
        self.contacted_at: float | None = None
        self.looked_up_at: float | None = None
        self.incentive = False
        self.cell = -1
        self.due = 0.0

    def place(self, now: float) -> None:
        """Find its cell at `now` and the time of its next change."""
        self.cell, self.due = locate(self.rating, self.created_at, self.contacted_at, self.looked_up_at, now)
