"""A file that is written whole or not at all.

Invariant: under the file's name is the old content until everything is written, and then the new one. A `.gz` file has
no name and no time in its header, so that the same content gives the same bytes.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, compressed if its name ends in `.gz`. An exception leaves the old file, or none.

    Args:
        path: The file. A device or a pipe, such as `/dev/null`, is written directly.
    """
    target = path.resolve()  # a link stays a link
    with ExitStack() as stack:
        if target.exists() and not target.is_file():
            file: BinaryIO = stack.enter_context(target.open("wb"))
        else:
            file = stack.enter_context(_renamed_at_the_end(target))
        if path.suffix == ".gz":
            packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
            file = cast(BinaryIO, stack.enter_context(packed))
        yield file


@contextmanager
def _renamed_at_the_end(target: Path) -> Iterator[BinaryIO]:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with open(descriptor, "wb", 1 << 20) as file:  # noqa: PTH123  # a descriptor, not a path
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
