"""Files of events: their lines, and the input stream of each line."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from stream.contract.events import STREAMS

#: The stream of each family of event types, which is the part of a type's name before the dot.
_STREAM_OF_FAMILY: Final[dict[str, int]] = {
    str(kind.__struct_config__.tag).partition(".")[0]: stream
    for stream, kinds in enumerate(STREAMS.values())
    for kind in kinds
}

_GZIP: Final = b"\x1f\x8b"


class _Subject(msgspec.Struct):
    id: str | None = None


class Head(msgspec.Struct):
    """The fields of a line that decide where it goes."""

    type: str = ""
    seller_id: str | None = None
    subject: _Subject | None = None
    occurred_at: str | None = None

    @property
    def key(self) -> str | None:
        """The key of the event's record; None if the line has none."""
        return self.seller_id if self.subject is None else self.subject.id


_decode_head = msgspec.json.Decoder(Head).decode
_decode_any = msgspec.json.Decoder().decode


@contextmanager
def lines(source: str) -> Iterator[io.BufferedIOBase]:
    """Open a `.jsonl` file, a `.jsonl.gz` file, or standard input (`-`), to be read line by line.

    A file that begins as gzip's do is unpacked whatever its name. A byte order mark at the beginning is left out.
    """
    with ExitStack() as stack:
        file: Any = sys.stdin.buffer if source == "-" else stack.enter_context(Path(source).open("rb", 1 << 20))
        if source.endswith(".gz") or _begins(file, _GZIP):
            file = stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb"))
        if _begins(file, codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        yield cast("io.BufferedIOBase", file)


def _begins(file: Any, start: bytes) -> bool:
    peek = getattr(file, "peek", None)  # standard input may be replaced by a stream without it
    return peek is not None and bool(peek(len(start))[: len(start)] == start)


def head(line: bytes) -> Head:
    """Return a line's type, key and time; an unreadable line has none of them."""
    try:
        return _decode_head(line)
    except msgspec.ValidationError:
        return _loose_head(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Head()


def _loose_head(line: bytes) -> Head:
    """Return the fields that are texts: with a number as seller_id, the type still says where the line goes."""
    try:
        found = _decode_any(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Head()
    texts = {name: each for name, each in found.items() if isinstance(each, str)} if isinstance(found, dict) else {}
    return Head(texts.get("type", ""), texts.get("seller_id"), None, texts.get("occurred_at"))


@lru_cache(maxsize=64)  # a file has a handful of event types
def stream_of(kind: str) -> int:
    """Return the input stream of an event type. An unknown type goes to the first stream, which refuses it."""
    return _STREAM_OF_FAMILY.get(kind.partition(".")[0], 0)
