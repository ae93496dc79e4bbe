"""river's two online models, without the rest of river.

Rule of this room: the models are river's own, imported from the modules that define them. Only the packages around
those are not run meanwhile: they import all other models, and with them the whole of scipy, which made a start take
twice as long. Who imports the packages later gets them whole, with the same two classes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType


@contextmanager
def _hollow(*packages: str) -> Iterator[None]:
    """These packages are found, with their modules in them, but not run, unless they were before."""
    added = [name for name in packages if name not in sys.modules]
    for name in added:
        spec = find_spec(name)
        assert spec is not None, f"river has no {name} any more"
        module = ModuleType(name)
        module.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


with _hollow("river.anomaly", "river.drift", "river.tree"):
    from river.anomaly.hst import HalfSpaceTrees
    from river.drift.adwin import ADWIN

__all__ = ["ADWIN", "HalfSpaceTrees"]
