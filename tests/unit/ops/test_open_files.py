"""The limit of open files is raised, or refused if it is too low; each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import resource
from stream.config import SettingsError
from stream.ops import open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
try:
    open_files.raise_limit()
except SettingsError as error:
    print(error)
else:
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "output"),
    [
        (64, 512, "512 512"),
        (300, 300, "300 300"),
        (64, 100, "the limit of open files is 100: a worker needs at least 256, and about 10 more for each task. "),
    ],
)
def test_limit_is_raised_or_refused(soft: int, hard: int, output: str) -> None:
    program = _PROGRAM.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(output)
