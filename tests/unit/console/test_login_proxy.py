"""The authentication `proxy`: headers count only from trusted addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from tests.sample_cases import seller_case
from tests.unit.console.running_console import Console, served

Headers = dict[str, str] | list[tuple[str, str]] | list[tuple[bytes, bytes]]


class Ask(Protocol):
    def __call__(self, headers: Headers, path: str = "/", **settings: Any) -> httpx.Response: ...


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    with ExitStack() as stack:

        def send(headers: Headers, path: str = "/", **settings: Any) -> httpx.Response:
            chosen = {"console_auth": "proxy", "console_trusted": "127.0.0.1", **settings}
            address = stack.enter_context(served(Console(tmp_path, [seller_case()], **chosen).app()))
            return httpx.get(f"{address}{path}", headers=headers, trust_env=False)

        yield send


@pytest.mark.parametrize(
    ("groups", "role"),
    [("viewer", "viewer"), ("x, analyst", "analyst"), ("lead,viewer", "lead"), ("other|analyst", "analyst")],
)
def test_the_proxy_names_user_and_groups(ask: Ask, groups: str, role: str) -> None:
    page = ask({"X-Forwarded-User": "ana", "X-Forwarded-Groups": groups})
    assert page.status_code == 200
    assert f'ana <span class="role">{role}</span>' in page.text
    assert "Log out" not in page.text


def test_several_lines_of_groups_count(ask: Ask) -> None:
    page = ask([("X-Forwarded-User", "ana"), ("X-Forwarded-Groups", "x"), ("X-Forwarded-Groups", "Fraud Team")],
               console_leads="Fraud Team")  # fmt: skip
    assert '<span class="role">lead</span>' in page.text


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", "::1, 192.0.2.7"])
def test_from_another_address_the_headers_are_not_believed(ask: Ask, trusted: str) -> None:
    headers = {"X-Forwarded-User": "ana", "X-Forwarded-Groups": "lead", "X-Forwarded-For": "10.0.0.1"}
    page = ask(headers, console_trusted=trusted)
    assert page.status_code == 403
    assert "The console answers its proxy only" in page.text


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-User": ""}, {"X-Forwarded-Groups": "lead"}])
def test_without_a_user_nobody_is_known(ask: Ask, headers: dict[str, str]) -> None:
    page = ask(headers)
    assert page.status_code == 401
    assert page.text == "You are not known here: the proxy must name its user."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ana@example.org", "e-mail address"),
        ("ana lyst", "white space"),
        ("+49 30 901820", "phone"),
        ("a" * 129, "129"),
    ],
)
def test_a_name_that_no_event_can_have_is_refused(ask: Ask, name: str, text: str) -> None:
    page = ask({"X-Forwarded-User": name, "X-Forwarded-Groups": "lead"})
    assert page.status_code == 403
    assert text in page.text
    assert "VOLTEFACE_CONSOLE_USER_HEADER" in page.text


def test_two_users_are_refused(ask: Ask) -> None:
    page = ask([("X-Forwarded-User", "ana"), ("X-Forwarded-User", "ben"), ("X-Forwarded-Groups", "lead")])
    assert page.status_code == 403


def test_names_may_be_utf_8(ask: Ask) -> None:
    page = ask([(b"X-Forwarded-User", "jürgen".encode()), (b"X-Forwarded-Groups", b"viewer")])
    assert page.status_code == 200
    assert "jürgen" in page.text


def test_groups_without_a_role_are_named_as_text(ask: Ask) -> None:
    page = ask({"X-Forwarded-User": "ana", "X-Forwarded-Groups": "<script>sales"})
    assert page.status_code == 403
    assert page.headers["content-type"].startswith("text/plain")
    assert "<script>sales" in page.text
    assert "VOLTEFACE_CONSOLE_ROLES_HEADER" in page.text


def test_other_headers_can_be_chosen(ask: Ask) -> None:
    headers = {"X-Auth-User": "ana", "X-Auth-Roles": "lead", "X-Forwarded-User": "mallory"}
    page = ask(headers, console_user_header="X-Auth-User", console_roles_header="X-Auth-Roles")
    assert "ana" in page.text
    assert "mallory" not in page.text


def test_health_needs_no_proxy(ask: Ask) -> None:
    assert ask({}, "/health/ready", console_trusted="10.0.0.0/8").status_code == 200
