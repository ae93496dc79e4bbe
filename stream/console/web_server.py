"""Runs the web server until a signal ends it.

Invariant: a signal ends the streams of open pages first, so the server waits for answers only, and for no longer than
three seconds.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from stream.config import ConsoleSettings
from stream.console.change_stream import ChangeStream

_ANSWERS_SECONDS: Final = 3


class AddressError(OSError):
    """The console cannot listen on its address; the message is one line for the operator."""


class _EndingServer(uvicorn.Server):
    """A server that ends the streams of open pages when a signal comes."""

    def __init__(self, config: uvicorn.Config, live: ChangeStream) -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; called when a signal comes."""
        self._live.end()
        super().handle_exit(sig, frame)


def run(app: ASGIApp, console: ConsoleSettings, live: ChangeStream) -> None:
    """Serve until a signal ends it.

    Args:
        app: What is served.
        console: The settings.
        live: The streams of open pages.

    Raises:
        AddressError: The address is taken, or it is none of this machine.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_ANSWERS_SECONDS,
        server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = _EndingServer(config, live)
    with suppress(KeyboardInterrupt):  # the server repeats the signal once it has ended
        server.run(_listening(console.console_host, console.console_port))
    if not server.started:  # the log says why
        sys.exit(1)


def _listening(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of a host."""
    found: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            one = socket.socket(family, kind, protocol)
            found.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
    except OSError as error:
        for one in found:
            one.close()
        raise AddressError(
            f"the console cannot listen on {host} port {port} ({error.strerror}): end what listens there, or set "
            "VOLTEFACE_CONSOLE_HOST and VOLTEFACE_CONSOLE_PORT"
        ) from None
    return found
