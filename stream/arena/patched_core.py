"""A second copy of the core, from its Python sources, with some of its definitions replaced.

Invariant: the running core does not change; the copy shares only the contract's types (`stream.contract`) with it.
A compiled module cannot be patched, so the copy is never compiled: it is slower and gives the same results.
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
    """A definition of the core, and a function that makes its replacement from it."""

    #: A module within the core, such as `baseline.baseline`; `where` is a name in it, or a class's attribute.
    module: str
    where: str
    replace: Callable[[Any], Any]


def detector(patches: Sequence[Patch]) -> Any:
    """Return the detector's class in a patched copy of the core; raise LookupError if a definition does not exist."""
    with _sources(patches):
        return import_module(f"{_CORE}.detector").Detector


@contextmanager
def _sources(patches: Sequence[Patch]) -> Iterator[None]:
    """Let imports of the core load its sources; modules that were imported before keep the running core."""
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
        """Return the source of a module of the core, None for other modules."""
        if not f"{fullname}.".startswith(f"{_CORE}."):
            return None
        name = fullname.removeprefix(_CORE).removeprefix(".")
        path_of_module = _FOLDER.joinpath(*name.split("."))
        is_package = path_of_module.is_dir()
        source = str(path_of_module / "__init__.py" if is_package else path_of_module.with_suffix(".py"))
        patches = [patch for patch in self._patches if patch.module == name]
        loader = _Loader(fullname, source, patches)
        folders = [str(path_of_module)] if is_package else None
        return spec_from_file_location(fullname, source, loader=loader, submodule_search_locations=folders)


class _Loader(SourceFileLoader):
    """Patches a module right after its execution, before another module can import a name from it."""

    def __init__(self, fullname: str, source: str, patches: Sequence[Patch]) -> None:
        super().__init__(fullname, source)
        self._patches = patches

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, then replace the patched definitions."""
        super().exec_module(module)
        for patch in self._patches:
            *owners, name = patch.where.split(".")
            owner: Any = module
            for each in (*owners, name):
                if not hasattr(owner, each):
                    raise LookupError(f"{module.__name__} has no {patch.where}: update the ablation")
                if each is not name:
                    owner = getattr(owner, each)
            setattr(owner, name, patch.replace(getattr(owner, name)))
