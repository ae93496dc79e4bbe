"""Sums of floats that are the same on every Python.

Invariant: the core adds floats with `total` and never with the built-in `sum`, which rounds in another way since Python
3.12: digests of the state would depend on the Python that runs a worker.
"""

from __future__ import annotations

from collections.abc import Iterable


def total(values: Iterable[float]) -> float:
    """Return the sum, added from left to right."""
    found = 0.0
    for value in values:
        found += value
    return found
