"""Every route of the console with every role, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

from stream.console.routes import RULES
from tests.sample_cases import decided, seller_case, staff_case
from tests.unit.console.running_console import CSRF, Console, logged_in, served

#: Who may use a route at least. A route that is added needs a decision here.
LEAST: Final = {
    "GET /": "viewer",
    "GET /cases/{case_id}": "viewer",
    "GET /cases/{case_id}/statement": "analyst",
    "GET /subjects": "viewer",
    "GET /line": "viewer",
    "GET /help": "viewer",
    "GET /live": "viewer",
    "GET /decisions/{event_id}": "viewer",
    "GET /bulk/{job_id}": "analyst",
    "POST /cases/{case_id}/verdict": "analyst",
    "POST /cases/{case_id}/assign": "analyst",
    "POST /cases/{case_id}/note": "analyst",
    "POST /cases/{case_id}/appeal": "analyst",
    "POST /next": "analyst",
    "POST /bulk": "analyst",
    "POST /bulk/{job_id}/undo": "analyst",
    "GET /login": "nobody",
    "GET /login/return": "nobody",
    "POST /logout": "viewer",
    "GET /logged-out": "nobody",
    "GET /health/live": "nobody",
    "GET /health/ready": "nobody",
    "GET /metrics": "nobody",
}
PEOPLE: Final = ("nobody", "viewer", "analyst", "lead")
HEADERS: Final = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Site:
    """A running console."""

    def __init__(self, console: Console, address: str) -> None:
        self.console, self.address = console, address

    def ask(self, method: str, path: str, role: str = "nobody", csrf: str = CSRF) -> httpx.Response:
        """Return an answer's status and headers, and its text unless it is a stream without end."""
        cookies = {} if role == "nobody" else logged_in(self.console.settings, f"{role}-{method}-{len(path)}", role)
        headers = {"X-CSRF-Token": csrf} if method == "POST" and csrf else {}
        with (
            httpx.Client(base_url=self.address, cookies=cookies, trust_env=False, timeout=20) as client,
            client.stream(method, path, headers=headers) as answer,
        ):
            if "event-stream" not in answer.headers.get("content-type", ""):
                answer.read()
        return answer


CASE: Final = decided(seller_case())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    console = Console(
        tmp_path_factory.mktemp("console"), [CASE, staff_case()],
        console_auth="oidc", console_oidc_issuer="http://127.0.0.1:9", console_oidc_client_id="console",
        console_oidc_client_secret=SecretStr("x"),
    )  # fmt: skip
    with served(console.app()) as address:
        yield Site(console, address)


def _path(rule_path: str) -> str:
    values = {"{case_id}": CASE.case_id, "{subject_id:path}": CASE.subject.id, "{event_id}": "e1", "{job_id}": "j1"}
    for name, value in values.items():
        rule_path = rule_path.replace(name, value)
    assert "{" not in rule_path
    return rule_path


def test_every_route_has_a_decision_and_every_decision_a_route() -> None:
    assert {f"{rule.method} {rule.path}": rule.role or "nobody" for rule in RULES} == LEAST


def test_only_reading_and_programs_are_open_to_everybody() -> None:
    assert all(rule.method == "GET" for rule in RULES if rule.role is None)
    assert not any(rule.path.startswith("/static") for rule in RULES)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("route", LEAST)
def test_who_may_use_a_route(site: Site, route: str, person: str) -> None:
    method, path = route.split()
    answer = site.ask(method, _path(path), person)
    if PEOPLE.index(person) >= PEOPLE.index(LEAST[route]):
        assert answer.status_code not in {401, 403, 405, 500}
        assert not answer.headers.get("location", "").startswith("/login")
        if not path.startswith(("/login", "/bulk")):
            assert answer.status_code in {200, 204, 303, 422}, answer.status_code
    elif person == "nobody" and method == "GET":
        assert (answer.status_code, answer.headers["location"][:12]) == (303, "/login?next=")
    elif person == "nobody":
        assert (answer.status_code, answer.text) == (401, "Log in again.")
    else:
        assert (answer.status_code, answer.text) == (403, f"This needs the role {LEAST[route]}; you are {person}.")
    _has_headers(answer)


@pytest.mark.parametrize("route", [route for route in LEAST if route.startswith("POST")])
def test_no_form_is_taken_without_its_token(site: Site, route: str) -> None:
    method, path = route.split()
    before = list(site.console.log.events)
    for token in ("", "x", CSRF[:-1], f"{CSRF}x", "ü"):
        cookies = logged_in(site.console.settings, f"forger{len(path)}{len(token)}", "lead")
        headers = [(b"X-CSRF-Token", token.encode())] if token else []
        answer = httpx.request(
            method, f"{site.address}{_path(path)}", cookies=cookies, headers=headers, trust_env=False
        )
        assert answer.status_code == 403
        _has_headers(answer)
    assert site.console.log.events == before


@pytest.mark.parametrize(
    ("method", "path", "person", "status"),
    [
        ("GET", "/no/such/page", "viewer", 404), ("GET", "/cases/none", "viewer", 404),
        ("GET", "/no/such/page", "nobody", 303), ("POST", "/no/such/page", "nobody", 401),
        ("POST", "/no/such/page", "lead", 404), ("DELETE", "/cases/x", "lead", 405), ("PUT", "/", "lead", 405),
        ("POST", "/", "lead", 405), ("OPTIONS", "/", "lead", 405), ("TRACE", "/help", "nobody", 401),
        ("GET", "/static/console.css", "nobody", 200), ("GET", "/static/none.js", "nobody", 404),
        ("GET", "/static/%2e%2e/server.py", "nobody", 404),
        ("GET", "/static/..%2fserver.py", "nobody", 404), ("POST", "/static/console.css", "nobody", 405),
        ("GET", "/static/%00", "nobody", 404), ("GET", "/static", "nobody", 303), ("GET", "//static/x", "nobody", 303),
        ("GET", "/help/", "viewer", 404), ("HEAD", "/help", "viewer", 200), ("HEAD", "/help", "nobody", 303),
    ],
)  # fmt: skip
def test_every_other_answer_has_the_headers(site: Site, method: str, path: str, person: str, status: int) -> None:
    answer = site.ask(method, path, person)
    assert answer.status_code == status
    _has_headers(answer)


def test_an_error_of_the_program_has_the_headers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.console.services.source, "market_now", lambda: 1 / 0)
    answer = site.ask("GET", "/", "viewer")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    _has_headers(answer)


def _has_headers(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get(name, "").startswith(value), name
    if not answer.request.url.path.startswith("/static/"):
        assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


HOSTILE: Final = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' OR 1=1 --", "../../etc/passwd", "%00", "\x00",
    "a\r\nSet-Cookie: x=1", "\u202eabc", "{{ 7*7 }}", "a/b?c#d", "javascript:alert(1)", "x" * 4000, "\ud7ff", "..",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("path", ["/cases/{}", "/subjects?id={}", "/cases/{}/statement", "/decisions/{}", "/bulk/{}"])
def test_hostile_ids_are_only_text(site: Site, path: str, name: str) -> None:
    answer = site.ask("GET", path.format(quote(name, safe="")), "lead")
    assert answer.status_code in {200, 404}
    assert "set-cookie: x" not in str(answer.headers).lower()
    _has_headers(answer)
    for text in ("<script>alert", "<img src=x", "7*7 }}49", ">49<"):
        assert text not in answer.text
