"""Lower trees for the model of flips' patterns: to grow the product's took most of the time of a run.

Rule of this room: it is a model of the same kind, restored and asked in the same way; only its size is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from river.anomaly import HalfSpaceTrees

from stream.core import patterns


class _Low(HalfSpaceTrees):  # type: ignore[misc]  # river ships no types
    def __init__(self, **wanted: Any) -> None:
        super().__init__(**{**wanted, "height": 2, "n_trees": 3})


@contextmanager
def low_trees() -> Iterator[None]:
    """As long as this lasts, tasks have them."""
    with mock.patch.object(patterns, "HalfSpaceTrees", _Low):
        yield
