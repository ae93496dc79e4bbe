"""Limits how often somebody may do something.

Invariant: memory is bounded. A name that is forgotten begins again with a full bucket.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final, NamedTuple

from starlette.responses import PlainTextResponse, Response

_MAX_NAMES: Final = 10_000


class _Bucket(NamedTuple):
    tokens: float
    at: float


class TokenBuckets:
    """A token bucket for each name. It is used by one thread: the event loop's.

    Args:
        per_minute: How many tokens come in a minute.
        burst: How many tokens a bucket holds.
        clock: The time, in seconds.
        max_names: How many names are kept; the one that was used longest ago is forgotten.
    """

    def __init__(
        self,
        per_minute: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        max_names: int = _MAX_NAMES,
    ) -> None:
        self._per_second, self._burst = per_minute / 60, burst
        self._clock, self._max_names = clock, max_names
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str) -> int:
        """Take a token.

        Returns:
            0, or if there is no token: after how many whole seconds there is one.
        """
        now = self._clock()
        bucket = self._buckets.pop(name, _Bucket(self._burst, now))
        tokens = min(bucket.tokens + (now - bucket.at) * self._per_second, self._burst)
        missing = 1 - tokens
        self._buckets[name] = _Bucket(tokens if missing > 0 else tokens - 1, now)
        if len(self._buckets) > self._max_names:
            self._buckets.popitem(last=False)
        return max(ceil(missing / self._per_second), 1) if missing > 0 else 0


def too_often(seconds: int) -> Response:
    """Return the answer to somebody who must wait."""
    text = f"That was too often. Try again in {seconds} second{'s' * (seconds != 1)}."
    return PlainTextResponse(text, 429, headers={"Retry-After": str(seconds)})
