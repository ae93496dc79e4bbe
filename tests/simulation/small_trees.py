"""Smaller trees for the pattern model: building the product's trees took most of the time of a run.

Invariant: the model is of the same kind and is restored and used in the same way; only its size differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from stream.core.subjects import patterns
from stream.core.subjects.river_models import HalfSpaceTrees


class _SmallTrees(HalfSpaceTrees):  # type: ignore[misc]  # river ships no types
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "height": 2, "n_trees": 3})


@contextmanager
def small_trees() -> Iterator[None]:
    """Tasks use the small trees within this context."""
    with mock.patch.object(patterns, "HalfSpaceTrees", _SmallTrees):
        yield
