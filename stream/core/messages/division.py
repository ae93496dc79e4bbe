"""How what a message would hold is divided into several messages.

Invariant: a message stays below Kafka's 1 MiB, because each entry and each id in it takes 1.2 kB at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

_Entry = TypeVar("_Entry")

#: The most entries and ids in one message; an entry with more is a message by itself.
_MAX_MESSAGE_ENTRIES: Final = 500


def in_parts(entries: Iterable[_Entry], count_ids: Callable[[_Entry], int]) -> Iterator[list[_Entry]]:
    """Divide entries, in their order, into parts that fit a message each.

    Args:
        entries: The entries.
        count_ids: Returns how many findings or ids an entry lists.

    Returns:
        The parts; an empty one if there are no entries.
    """
    part: list[_Entry] = []
    size = 0
    for entry in entries:
        added = 1 + count_ids(entry)
        if part and size + added > _MAX_MESSAGE_ENTRIES:
            yield part
            part, size = [], 0
        part.append(entry)
        size += added
    yield part
