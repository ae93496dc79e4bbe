"""A second copy of the core, from its Python sources, with some of its definitions replaced.

Rule of this room: the running core is left as it is; the copy shares the contract's types (`stream.events`, `alerts`)
and nothing else. A compiled module cannot be patched, so the copy is never compiled: slower, and the same results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import stream
from stream import core

_CORE: Final = core.__name__
_FOLDER: Final = Path(core.__path__[0])


class Patch(NamedTuple):
    """A definition, and what makes its replacement from it."""

    #: Within the core; `where` may be a name or a class's attribute.
    module: str
    where: str
    replace: Callable[[Any], Any]


def detector(patches: Sequence[Patch]) -> Any:
    """The detector's class in a fresh core; LookupError if a patch finds nothing to replace."""
    with _sources(patches):
        return import_module(f"{_CORE}.detector").Detector


@contextmanager
def _sources(patches: Sequence[Patch]) -> Iterator[None]:
    """Imports of the core find its sources, and whoever asked before keeps what he or she has."""
    running = {name: module for name, module in sys.modules.items() if f"{name}.".startswith(f"{_CORE}.")}
    finder = _Finder(patches)
    for name in running:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{_CORE}.")]:
            del sys.modules[name]
        sys.modules.update(running)
        stream.core = core  # importing a package sets its name in its parent


class _Finder(MetaPathFinder):
    def __init__(self, patches: Sequence[Patch]) -> None:
        self._patches = patches

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """The source of a module of the core."""
        if not f"{fullname}.".startswith(f"{_CORE}."):
            return None
        name = fullname.removeprefix(_CORE).removeprefix(".")
        source = str(_FOLDER / f"{name or '__init__'}.py")
        patches = [patch for patch in self._patches if patch.module == name]
        folders = None if name else [str(_FOLDER)]
        loader = _Loader(fullname, source, patches)
        return spec_from_file_location(fullname, source, loader=loader, submodule_search_locations=folders)


class _Loader(SourceFileLoader):
    """Patches a module as soon as it has run, before another can take a name from it."""

    def __init__(self, fullname: str, source: str, patches: Sequence[Patch]) -> None:
        super().__init__(fullname, source)
        self._patches = patches

    def exec_module(self, module: ModuleType) -> None:
        """Run it, and replace."""
        super().exec_module(module)
        for patch in self._patches:
            *owners, name = patch.where.split(".")
            owner: Any = module
            for each in (*owners, name):
                if not hasattr(owner, each):
                    raise LookupError(f"{module.__name__} has no {patch.where}: an ablation must be brought up to date")
                if each is not name:
                    owner = getattr(owner, each)
            setattr(owner, name, patch.replace(getattr(owner, name)))
