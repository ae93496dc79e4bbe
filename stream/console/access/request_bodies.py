"""Reads the body of a form, so that what serves the request can read it once more.

Invariant: a body that is too large is not kept, and one that does not come is not waited for.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

MAX_BYTES: Final = 64 * 1024
_MAX_DIGITS: Final = 10
_SECONDS: Final = 30.0


class TooLargeError(Exception):
    """A body is larger than a form of this console can be."""


async def read(scope: Scope, receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        TooLargeError: It is too large.
        TimeoutError: It has not come in time.
        ClientDisconnect: It will not come.
    """
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if not declared.isdigit() or len(declared) > _MAX_DIGITS or int(declared) > MAX_BYTES:
        raise TooLargeError
    chunks: list[bytes] = []
    size = 0
    async with asyncio.timeout(_SECONDS):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MAX_BYTES:
                raise TooLargeError
            if not message.get("more_body", False):
                return b"".join(chunks)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
