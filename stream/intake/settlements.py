"""Settlements: records on a dead-letter topic that say which of its letters have been sent again.

Invariant: a settlement lies behind its letters in their own partition, so retention never removes it before them. It is
committed in the transaction that sends the letters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import msgspec

from stream.intake.dead_letters import HEADERS, Headers

#: The header that marks a settlement.
SETTLED: Final = "volteface.settled"
_LETTER_HEADERS: Final = frozenset(HEADERS)
#: First and last offset.
_Range = tuple[int, int]
_ranges = msgspec.json.Decoder(list[_Range]).decode


def settlement(partition: int, offsets: Iterable[int]) -> tuple[bytes, bytes, Headers]:
    """Return key, value and headers of the record that settles letters.

    Args:
        partition: The partition of the letters.
        offsets: The letters' own offsets on the dead-letter topic, at least one.
    """
    ordered = sorted(offsets)
    breaks = [number for number, (one, next_one) in enumerate(pairwise(ordered), start=1) if next_one != one + 1]
    ranges = [
        (ordered[begin], ordered[end - 1]) for begin, end in pairwise([0, *breaks, len(ordered)])
    ]  # fmt: skip
    # No two settlements have the same key, which a compacted topic would keep only the last of.
    return f"settled/{partition}/{ordered[0]}".encode(), msgspec.json.encode(ranges), ((SETTLED, b"1"),)


def is_settlement(headers: Headers) -> bool:
    """Return whether a record on a dead-letter topic is a settlement; a letter may hold any header of its original."""
    names = {name for name, _ in headers}
    return SETTLED in names and not names >= _LETTER_HEADERS


class Settled:
    """The letters that are settled.

    Attributes:
        positions: By partition, the offset on the dead-letter topic up to which settlements were read.
    """

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}
        self._offsets: defaultdict[int, set[int]] = defaultdict(set)

    def add(self, partition: int, value: bytes | None) -> None:
        """Take a settlement's value; one that cannot be read settles nothing."""
        try:
            ranges = _ranges(value or b"")
        except msgspec.DecodeError:
            return
        for first, last in ranges:
            self._offsets[partition].update(range(first, last + 1))

    def __contains__(self, place: tuple[int, int]) -> bool:
        partition, offset = place
        return offset in self._offsets[partition]
