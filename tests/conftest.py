"""The tests refuse to start on compiled modules that are older than their sources.

A shell without job control starts background jobs with SIGINT ignored, and so would be every process of a test that
expects SIGINT to end it. So the signal gets its default handler here.

Where several processes run the tests, one of them runs all unit tests of a module: what the module keeps for its tests,
such as a simulated market, is made once.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from stream import core

_UNIT = Path(__file__).parent / "unit"

signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart() -> None:
    """Exit if a source is newer than its compiled module: Python would import the compiled one."""
    for library in Path(core.__path__[0]).rglob("*.so"):
        source = library.parent / f"{library.name.partition('.')[0]}.py"
        if source.exists() and source.stat().st_mtime > library.stat().st_mtime:
            pytest.exit(f"{source} is newer than the compiled {library.name}: run `make install`", returncode=2)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("loadgroup", False):  # one process, or xdist is left out: then its mark is unknown
        return
    for item in items:
        if _UNIT in item.path.parents and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
