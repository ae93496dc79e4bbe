"""Before anything is tested: what is tested is what the sources say."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream import core


def pytest_sessionstart() -> None:
    """Python prefers a compiled module to its source, also when the source was changed since."""
    for library in Path(core.__path__[0]).glob("*.so"):
        source = library.parent / f"{library.name.partition('.')[0]}.py"
        if source.exists() and source.stat().st_mtime > library.stat().st_mtime:
            pytest.exit(f"{source} is newer than the compiled {library.name}: run `make install`", returncode=2)
