"""Files of events: their lines, and the input stream of each line."""

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

from stream.contract.events import STREAMS

#: The stream of each family of event types, which is the part of a type's name before the dot.
_STREAM_OF_FAMILY: Final[dict[str, int]] = {
    str(kind.__struct_config__.tag).partition(".")[0]: stream
    for stream, kinds in enumerate(STREAMS.values())
    for kind in kinds
}


class Head(msgspec.Struct):
    """The fields of a line that decide where it goes."""

    type: str = ""
    seller_id: str | None = None
    occurred_at: str | None = None


_decode_head = msgspec.json.Decoder(Head).decode


@contextmanager
def lines(source: str) -> Iterator[io.BufferedIOBase]:
    """Open a `.jsonl` file, a `.jsonl.gz` file, or standard input (`-`), to be read line by line."""
    if source == "-":
        yield cast("io.BufferedIOBase", sys.stdin.buffer)
    elif source.endswith(".gz"):
        with gzip.open(source) as packed:
            yield packed
    else:
        with Path(source).open("rb", buffering=1 << 20) as plain:
            yield cast("io.BufferedIOBase", plain)


def head(line: bytes) -> Head:
    """Return a line's type, key and time; an unreadable line has none of them."""
    try:
        return _decode_head(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Head()


@lru_cache(maxsize=64)  # a file has a handful of event types
def stream_of(kind: str) -> int:
    """Return the input stream of an event type. An unknown type goes to the first stream, which refuses it."""
    return _STREAM_OF_FAMILY.get(kind.partition(".")[0], 0)
