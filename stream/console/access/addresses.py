"""Addresses: of this machine, of a request's sender, and of the pages that a form may come from.

Invariant: a header says where a request comes from only if the settings trust who sent it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from stream.config import ConsoleSettings, IpNetwork

_PORTS: Final = {"http": 80, "https": 443}
#: An IPv6 host usually has a whole network of this length.
_IPV6_HOST_BITS: Final = 64


class Origin(NamedTuple):
    """Where a page comes from."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.host)


def origin_of(url: str) -> Origin | None:
    """Return the origin of an address, with the scheme's usual port if it has none; None if it has no origin."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def public_url(console: ConsoleSettings) -> str:
    """Return the address under which browsers reach the console."""
    host = console.console_host
    named = f"[{host}]" if ":" in host else host
    return console.console_public_url or f"http://{named}:{console.console_port}"


def is_own_page(headers: Headers, public: str | None) -> bool:
    """Return whether a form comes from a page of this console, as far as its browser says that.

    Args:
        headers: The request's headers.
        public: The address under which browsers reach the console; None: whatever the browser has asked for.
    """
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    named = headers.get("origin")
    if named is None:
        return True
    origin = origin_of(named)
    if origin is None:
        return False
    if public is not None:
        return origin == origin_of(public)
    # Whether a proxy has ended TLS is not known here: the usual port is that of the page's scheme.
    asked = origin_of(f"{origin.scheme}://{headers.get('host', '')}")
    return asked == origin


def is_loopback(host: str) -> bool:
    """Return whether all addresses of a host are loopback addresses."""
    try:
        found = {one[4][0] for one in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)


def peer(connection: HTTPConnection) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that has sent a request to this console; None if it has none."""
    return None if connection.client is None else _address(connection.client.host)


def is_within(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, networks: Sequence[IpNetwork]) -> bool:
    """Return whether an address is in one of some networks."""
    return address is not None and any(address in network for network in networks)


def sender(connection: HTTPConnection, trusted: Sequence[IpNetwork]) -> str:
    """Return who has sent a request, for counting: the last address that no trusted proxy has."""
    found = peer(connection)
    hops = [hop for line in connection.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and is_within(found, trusted):
        found = _address(hops.pop().strip()) or found
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _IPV6_HOST_BITS), strict=False))
    return str(found)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
