"""Header names that are not UTF-8: Kafka takes any bytes as a name, and its Python clients do not.

Invariant: no byte is lost. In the text of a name each byte that is not UTF-8 is a surrogate (`surrogateescape`, PEP
383), and `RawName` gives the bytes back to a client that encodes it.
"""

from __future__ import annotations

from typing import Any, SupportsIndex


class RawName(str):
    """A header's name that the clients' `name.encode("utf-8")` turns into its original bytes."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Return the bytes, whatever `errors` says."""
        return super().encode(encoding, "surrogateescape")


class _Slice(bytes):
    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        try:
            return super().decode(encoding)  # aiokafka sends no name of another class
        except UnicodeDecodeError:
            return RawName(super().decode(encoding, "surrogateescape"))


class LenientBytes(bytes):
    """A buffer from which the clients' `buffer[start:end].decode("utf-8")` reads any name."""

    __slots__ = ()

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found = super().__getitem__(index)
        return _Slice(found) if isinstance(found, bytes) else found
