"""The advice for a topic that does not exist.

Invariant: pure. The advice makes topics that fit those that exist.
"""

from __future__ import annotations

from collections.abc import Iterable


def advice(counts: Iterable[int]) -> str:
    """Return the command that creates the missing topics.

    Args:
        counts: The partition counts of the group's inputs, evidence and state; 0 for one that does not exist.
    """
    known = set(counts) - {0}
    option = f" --partitions {known.pop()}" if len(known) == 1 else ""
    return f"run `volteface topics create{option}`"
