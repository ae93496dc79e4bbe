"""Forms: where they may come from, how large they may be, how many; and that they reach what answers them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from stream.config import ConsoleSettings
from stream.console.access.addresses import is_own_page, sender
from stream.console.access.request_bodies import MAX_BYTES
from stream.contract.events import CaseNoted
from tests.sample_cases import seller_case
from tests.unit.console.running_console import CSRF, Console, console_settings, served, session_cookie

CASE: Final = seller_case()
NOTE: Final = f"/cases/{CASE.case_id}/note"


class Site:
    """A running console with the authentication `local`."""

    def __init__(self, console: Console, address: str) -> None:
        self.console, self.address = console, address

    def send(self, path: str = NOTE, headers: dict[str, str] | None = None, **content: Any) -> httpx.Response:
        cookies = session_cookie(self.console.settings, csrf=CSRF)
        return httpx.post(
            f"{self.address}{path}", headers=headers, cookies=cookies, trust_env=False, timeout=20, **content
        )

    @property
    def notes(self) -> list[str]:
        return [event.note for event in self.console.log.events if isinstance(event, CaseNoted)]


Start = Callable[..., Site]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(**settings: Any) -> Site:
            console = Console(tmp_path, [CASE], **settings)
            return Site(console, stack.enter_context(served(console.app())))

        yield started


def form(note: str = "A note.", csrf: str | None = CSRF) -> dict[str, str]:
    return {"event_id": uuid4().hex, "note": note} | ({} if csrf is None else {"csrf": csrf})


def test_a_form_reaches_what_answers_it_after_its_token_was_read(start: Start) -> None:
    site = start()
    assert site.send(data=form("Urlencoded: ü & =.")).status_code == 303
    assert site.send(files={name: (None, value) for name, value in form("Multipart.").items()}).status_code == 303
    answer = site.send(data=form("By header.", csrf=None), headers={"X-CSRF-Token": CSRF, "HX-Request": "true"})
    assert answer.status_code == 200
    assert len(answer.headers["X-Next-Event-Id"]) == 32
    assert site.notes == ["Urlencoded: ü & =.", "Multipart.", "By header."]


def test_a_form_without_the_token_of_its_session_is_refused(start: Start) -> None:
    site = start()
    for token in (None, "", "x", CSRF.upper(), "\x00"):
        assert site.send(data=form(csrf=token)).status_code == 403
    assert site.send(data=form(csrf=None), headers={"X-CSRF-Token": "x"}).status_code == 403
    assert site.send(content=f"csrf={CSRF}", headers={"Content-Type": "text/plain"}).status_code == 403
    assert httpx.post(f"{site.address}{NOTE}", data=form(), trust_env=False, timeout=20).status_code == 403, (
        "no session"
    )
    assert site.notes == []


def test_a_form_of_another_page_is_refused_although_it_has_the_token(start: Start) -> None:
    site = start()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": site.address.replace("127.0.0.1", "localhost")},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": site.address},
    ):
        assert site.send(data=form(), headers=headers).status_code == 403, headers
    assert site.notes == []
    for headers in ({"Origin": site.address}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert site.send(data=form(), headers=headers).status_code == 303, headers


@pytest.mark.parametrize(
    ("public", "host", "origin", "is_own"),
    [
        ("https://x.org", "10.0.0.1:8080", "https://x.org", True),
        ("https://x.org", "10.0.0.1:8080", "https://x.org:443", True),
        ("https://x.org:443", "x.org", "https://x.org", True),
        ("https://X.org", "x.org", "https://x.ORG", True),
        ("https://x.org", "x.org", "http://x.org", False),
        ("https://x.org", "x.org:8443", "https://x.org:8443", False),
        ("https://x.org", "evil.org", "https://evil.org", False),
        (None, "127.0.0.1:8080", "http://127.0.0.1:8080", True),
        (None, "[::1]:8080", "http://[::1]:8080", True),
        (None, "localhost", "http://localhost:80", True),
        (None, "localhost", "https://localhost", True),
        (None, "localhost:443", "https://localhost", True),
        (None, "localhost:8080", "http://localhost", False),
        (None, "localhost", "file://localhost", False),
        (None, "localhost", "http://localhost:port", False),
        (None, "", "http://", False),
        (None, "", "http://[", False),
    ],
)
def test_origins(public: str | None, host: str, origin: str, is_own: bool) -> None:
    assert is_own_page(Headers({"host": host, "origin": origin}), public) is is_own


def test_a_form_that_is_too_large_is_refused_before_it_is_kept(start: Start) -> None:
    site = start()
    assert site.send(data=form("x" * MAX_BYTES)).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BYTES // 1024 + 2):
            yield b"x" * 1024

    answer = site.send(content=chunks(), headers={"X-CSRF-Token": CSRF})
    assert (answer.status_code, answer.text) == (413, "The form is too large: at most 64 KiB are accepted.")
    assert site.send(data=form("x" * 1000, csrf=CSRF)).status_code == 303


@pytest.mark.parametrize("length", ["99999999999", "9" * 5000, "65537"])
def test_a_declared_length_is_refused_without_reading(start: Start, length: str) -> None:
    site = start()
    cookies = session_cookie(site.console.settings, csrf=CSRF)
    name, value = next(iter(cookies.items()))
    parts = urlsplit(site.address)
    lines = [f"POST {NOTE} HTTP/1.1", f"Host: {parts.netloc}", f"Cookie: {name}={value}", f"Content-Length: {length}"]
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert connection.recv(100).split()[1] in {b"413", b"400"}


def test_a_form_that_cannot_be_read_is_refused(start: Start) -> None:
    site = start()
    many = "&".join(f"a{number}=" for number in range(1500))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert site.send(content=many, headers=kind).status_code == 400
    assert site.send(content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    broken = {"Content-Type": "multipart/form-data; boundary=b"}
    assert site.send(content=b"--b\r\nnonsense", headers=broken).status_code in {400, 403}
    assert site.notes == []


def test_forms_of_one_user_are_limited_but_not_those_of_strange_pages(start: Start) -> None:
    site = start()
    for _ in range(40):
        assert site.send(data=form(), headers={"Origin": "https://evil.example"}).status_code == 403
    answers = [site.send(data=form()) for _ in range(30)]
    assert [answer.status_code for answer in answers] == [303] * 30
    while answers[-1].status_code == 303 and len(answers) < 300:  # a slow machine earns some more
        answers.append(site.send(data=form()))
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].text.startswith("That was too often. Try again in ")
    assert httpx.get(site.address, trust_env=False).status_code == 200


TRUSTED: Final[ConsoleSettings] = console_settings(console_trusted="10.0.0.0/8, ::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
    ],
)
def test_logins_are_counted_by_the_last_address_that_no_trusted_proxy_has(
    peer: str, forwarded: list[str], expected: str
) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    connection = HTTPConnection({"type": "http", "headers": headers, "client": (peer, 1)})
    assert sender(connection, TRUSTED.trusted_networks) == expected
