"""A file of events: its lines, and the stream that each of them goes to."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import msgspec

_PREFIXES: Final = (("outreach.", 1), ("contact.", 2))


class Head(msgspec.Struct):
    """What of a line decides where it goes."""

    type: str = ""
    seller_id: str | None = None
    occurred_at: str | None = None


_head = msgspec.json.Decoder(Head)


@contextmanager
def lines(source: str) -> Iterator[io.BufferedIOBase]:
    """The lines of a `.jsonl`, a `.jsonl.gz`, or standard input (`-`)."""
    if source == "-":
        yield cast("io.BufferedIOBase", sys.stdin.buffer)
    elif source.endswith(".gz"):
        with gzip.open(source) as packed:
            yield packed
    else:
        with Path(source).open("rb", buffering=1 << 20) as plain:
            yield cast("io.BufferedIOBase", plain)


def head(line: bytes) -> Head:
    """A line's type and key; an unreadable line has neither."""
    try:
        return _head.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Head()


@lru_cache(maxsize=64)  # the contract has five types; a file of other ones is read no faster
def stream_of(kind: str) -> int:
    """The input stream of an event type; what is unknown goes the way of reviews, to be refused there."""
    return next((stream for prefix, stream in _PREFIXES if kind.startswith(prefix)), 0)
