"""Files that commands read and write: an error names the file and what is wrong with it, in one line."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.cli.output import fail


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Check that a file can be opened, and end with exit code 1 if it cannot be read to its end.

    Args:
        source: The file, or `-` for standard input.
    """
    if source != "-":
        check_input(Path(source))
    try:
        yield
    except EOFError:
        fail(f"{source} cannot be read to its end: the file is cut, a .gz file ends with a checksum")
    except (zlib.error, gzip.BadGzipFile) as error:
        fail(f"{source} cannot be read to its end: it is no .gz file, or it is damaged ({error})")
    except OSError as error:
        if error.filename is None or str(error.filename) != source:
            raise
        fail(f"{source} cannot be read: {error.strerror}")


def check_input(path: Path) -> None:
    """End with exit code 1 if a file cannot be read. It is not opened: a named pipe can be opened only once."""
    if not path.exists():
        fail(f"{path} cannot be read: there is no such file")
    if path.is_dir():
        fail(f"{path} cannot be read: it is a folder")
    if not os.access(path, os.R_OK):
        fail(f"{path} cannot be read: you have no permission")


def check_output(path: Path, *others: str | Path) -> None:
    """End with exit code 1 if a file cannot be written, or if it is one of the other files of the command.

    Commands call this first: an error after an hour of work would lose the result.
    """
    if any(str(other) != "-" and path.resolve() == Path(other).resolve() for other in others):
        fail(f"{path} is given twice: the command would overwrite it; choose another file for the result")
    if path.is_dir():
        fail(f"{path} cannot be written: it is a folder")
    if not path.parent.is_dir():
        fail(f"{path} cannot be written: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        fail(f"{path} cannot be written: you have no permission")
