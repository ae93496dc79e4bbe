"""The encoding of a state row's value: msgpack of declared types.

Invariant: bytes from Kafka are decoded into declared types or refused (StateError). They never run code.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, TypeVar

import msgspec
from mypy_extensions import mypyc_attr

#: The version of all rows; a row of another version is refused.
ROW_VERSION: Final = 1

T = TypeVar("T")
encode = msgspec.msgpack.Encoder().encode


@mypyc_attr(allow_interpreted_subclasses=True)
class StateError(Exception):
    """A state that this worker cannot continue. The text is one line and says what to do, because no retry helps."""

    advice: ClassVar[str] = (
        "go back to what wrote it, or start under another VOLTEFACE_APP_ID: see docs/operations.md, "
        '"Upgrade and roll-back"'
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; {self.advice}")


_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def decode(value: bytes, kind: type[T]) -> T:
    """Decode a row's value.

    Args:
        value: The row's value in the state topic.
        kind: The declared type of the row.

    Raises:
        StateError: The value is damaged, or its `version` is not ROW_VERSION.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        row: T = decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"a {kind.__name__} of the state topic cannot be read: {error}") from None
    version = getattr(row, "version", ROW_VERSION)
    if version != ROW_VERSION:
        raise StateError(
            f"a {kind.__name__} of the state topic has version {version}; this Volteface reads {ROW_VERSION}"
        )
    return row
