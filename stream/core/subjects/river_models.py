"""river's two online models, without the rest of river.

Invariant: the models are river's own classes, imported from the modules that define them. Only the packages around
these modules are not run: they import all other models and with them all of scipy, which doubles the time of a start. A
later import of the packages runs them in full and gives the same two classes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType


@contextmanager
def packages_not_run(*packages: str) -> Iterator[None]:
    """Make these packages importable, with the modules in them, but do not run the packages themselves."""
    # Packages that are imported already stay as they are.
    added = [name for name in packages if name not in sys.modules]
    for name in added:
        spec = find_spec(name)
        assert spec is not None, f"river no longer has {name}"
        module = ModuleType(name)
        module.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


with packages_not_run("river.anomaly", "river.drift", "river.tree"):
    from river.anomaly.hst import HalfSpaceTrees
    from river.drift.adwin import ADWIN

__all__ = ["ADWIN", "HalfSpaceTrees"]
