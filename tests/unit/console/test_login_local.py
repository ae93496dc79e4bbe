"""The authentication `local`: one user, on this machine, also if a name of the internet leads here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.console.running_console import Console, served


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Console(tmp_path_factory.mktemp("console"), []).app()) as found:
        yield found


def _status(address: str, host: str, path: str = "/") -> int:
    return httpx.get(f"{address}{path}", headers={"Host": host}, trust_env=False).status_code


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080"])
def test_names_of_this_machine_reach_the_console(address: str, host: str) -> None:
    assert _status(address, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "x@localhost.example", "a b",
     "localhost:x", "evil.example/localhost", "192.0.2.1", ""],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/static/console.css", "/health/live", "/cases/x"])
def test_other_names_reach_nothing(address: str, host: str, path: str) -> None:
    assert _status(address, host, path) == 421


def test_the_user_is_a_lead(address: str) -> None:
    assert 'ana <span class="role">lead</span>' in httpx.get(address, trust_env=False).text


def test_there_is_no_login(address: str) -> None:
    for path in ("/login", "/login/return", "/logged-out"):
        answer = httpx.get(f"{address}{path}", trust_env=False)
        assert (answer.status_code, answer.text) == (404, "Not found.")


def test_cookies_of_consoles_on_two_ports_differ(tmp_path: Path) -> None:
    """Browsers send a cookie to all ports of a host: one console would end the other one's session."""
    with served(Console(tmp_path, [], console_port=8091).app()) as one:
        assert httpx.get(one, trust_env=False).headers["set-cookie"].startswith("volteface-8091=")
