"""A seller's reviews at risk in one stratum, as sums from which expected flips follow.

Invariant: a review that enters or leaves costs one addition, and nothing is done for it in between.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class ExposureSums:
    """A seller's reviews at risk in one stratum, not looked up (`plain`) and looked up.

    Of n reviews that entered when a clock stood at C_i, n C - sum C_i flips are expected; these fields hold - sum C_i.

    Args:
        plain, looked_up: The numbers of reviews.
        current_plain, current_looked_up: Minus the sums of the current clock at which the reviews entered.
        long_run_plain, long_run_looked_up: Minus the sums of the long-run clock at which the reviews entered.
    """

    __slots__ = ("current_looked_up", "current_plain", "long_run_looked_up", "long_run_plain", "looked_up", "plain")

    def __init__(
        self,
        plain: int,
        looked_up: int,
        current_plain: float,
        current_looked_up: float,
        long_run_plain: float,
        long_run_looked_up: float,
    ) -> None:
        self.plain = plain
        self.looked_up = looked_up
        self.current_plain = current_plain
        self.current_looked_up = current_looked_up
        self.long_run_plain = long_run_plain
        self.long_run_looked_up = long_run_looked_up
