"""The authentication `oidc` against a real issuer on a real web server, through the console as it is served."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from stream.config import ConsoleSettings
from stream.console.access.login_pages import own_path
from stream.console.access.sessions import SESSION_SECONDS
from tests.sample_cases import seller_case
from tests.unit.console.running_console import Console, free_port, served, session_cookie, session_of
from tests.unit.console.running_issuer import (
    CLIENT,
    CLIENT_SECRET,
    LocalIssuer,
    Sign,
    new_key,
    signed_by_another,
    signed_with_public_key,
    unsigned,
)


class Site:
    """A console and its issuer, both running."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.issuer_port = free_port()
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.issuer = LocalIssuer(f"http://127.0.0.1:{self.issuer_port}", f"{self.address}/login/return")
        self._port = port

    def start(self, issuer_runs: bool = True, **settings: Any) -> Site:
        console = Console(
            self._folder, [seller_case()],
            console_auth="oidc", console_port=self._port, console_oidc_issuer=self.issuer.address,
            console_oidc_client_id=CLIENT, console_oidc_client_secret=SecretStr(CLIENT_SECRET), **settings,
        )  # fmt: skip
        self.console = console
        self.settings: ConsoleSettings = console.settings
        if issuer_runs:
            self.start_issuer()
        self._stack.enter_context(served(console.app(), self._port))
        return self

    def start_issuer(self) -> None:
        self._stack.enter_context(served(self.issuer.app(), self.issuer_port))

    def browser(self, follow: bool = True) -> httpx.Client:
        client = httpx.Client(base_url=self.address, follow_redirects=follow, trust_env=False, timeout=20)
        return self._stack.enter_context(client)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def test_a_login_leads_back_to_the_page_that_was_asked_for(site: Site) -> None:
    browser = site.start().browser()
    page = browser.get("/?state=decided&text=caf%C3%A9")
    assert page.status_code == 200
    assert str(page.url) == f"{site.address}/?state=decided&text=caf%C3%A9"
    assert 'ana <span class="role">analyst</span>' in page.text
    assert "Log out" in page.text
    assert [name for name, _ in site.issuer.seen] == ["authorize", "token"]
    session = session_of(browser, site.settings)
    until = session.pop("until")
    assert abs(until - time.time() - SESSION_SECONDS) < 30
    assert session.pop("csrf")
    assert session == {"user": "ana", "role": "analyst"}
    cookie = browser.get("/login", follow_redirects=False).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_over_tls_the_cookie_is_for_this_host_alone(site: Site) -> None:
    site.issuer.return_address = "https://cases.example.org/login/return"
    browser = site.start(console_public_url="https://cases.example.org").browser(follow=False)
    answer = browser.get("/login")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-volteface=")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "domain" not in cookie
    assert httpx.get(answer.headers["location"], trust_env=False).status_code == 307


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda claims: claims.pop(name)


def _with(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda claims: claims.update(values)


@pytest.mark.parametrize(
    "change",
    [
        _with(nonce="another"), _without("nonce"), _with(exp=1), _without("exp"),
        _with(exp=int(time.time()) - 300), _with(aud="another"), _with(aud="another", azp=CLIENT), _without("aud"),
        _with(aud=[CLIENT, "another"]), _with(aud=CLIENT, azp="another"), _with(iss="https://another.example.org"),
        _without("iss"), _without("sub"), _with(iat=int(time.time()) + 3600), _with(nbf=int(time.time()) + 3600),
    ],
)  # fmt: skip
def test_a_token_with_wrong_claims_logs_nobody_in(site: Site, change: Callable[[dict[str, Any]], None]) -> None:
    site.issuer.change = change
    _assert_refused(site)


@pytest.mark.parametrize("sign", [signed_by_another, unsigned, signed_with_public_key, lambda *_: "no token"])
def test_a_token_that_the_issuer_has_not_signed_logs_nobody_in(site: Site, sign: Sign) -> None:
    site.issuer.sign = sign
    _assert_refused(site)


def test_an_answer_without_id_token_logs_nobody_in(site: Site) -> None:
    site.issuer.sends_id_token = False
    _assert_refused(site)


def _assert_refused(site: Site) -> None:
    browser = site.start().browser()
    page = browser.get("/")
    assert page.status_code == 400, page.text
    assert page.url.path == "/login/return"
    assert [name for name, _ in site.issuer.seen] == ["authorize", "token"]
    assert "user" not in session_of(browser, site.settings)
    assert browser.get("/", follow_redirects=False).status_code == 303


def test_a_login_that_another_browser_began_is_refused(site: Site) -> None:
    """Otherwise somebody could log a victim in as himself, and read what the victim writes."""
    site.start()
    attacker, victim = site.browser(follow=False), site.browser(follow=False)
    answer = httpx.get(attacker.get("/login").headers["location"], trust_env=False)
    page = victim.get(answer.headers["location"])
    assert page.status_code == 400
    assert "begun in another window" in page.text
    assert victim.get("/").status_code == 303
    assert attacker.get(answer.headers["location"]).status_code == 303
    assert attacker.get(answer.headers["location"]).status_code == 400, "a code is used once"


def test_what_the_issuers_answer_says_is_not_shown(site: Site) -> None:
    page = site.start().browser().get("/login/return?error=access_denied&error_description=<script>call+0800</script>")
    assert page.status_code == 400
    assert "The issuer has refused the login." in page.text
    assert "0800" not in page.text


@pytest.mark.parametrize(
    ("claims", "settings", "role"),
    [
        ({"groups": ["viewer", "lead"]}, {}, "lead"),
        ({"groups": "viewer"}, {}, "viewer"),
        ({"groups": "other,analyst"}, {}, "analyst"),
        ({"groups": "other analyst"}, {}, "analyst"),
        ({"groups": ["Fraud Team"]}, {"console_analysts": "Trust, Fraud Team"}, "analyst"),
        ({"groups": []}, {"console_viewers": "*"}, "viewer"),
        ({"groups": {"lead": {"org": "1"}}}, {}, "lead"),
        ({"realm_access": {"roles": ["analyst"]}}, {"console_oidc_roles_claim": "realm_access.roles"}, "analyst"),
        ({"https://x.org/roles": ["lead"]}, {"console_oidc_roles_claim": "https://x.org/roles"}, "lead"),
    ],
)  # fmt: skip
def test_groups_give_a_role(site: Site, claims: dict[str, Any], settings: dict[str, Any], role: str) -> None:
    site.issuer.person = {"sub": "u-1", "preferred_username": "ana", **claims}
    page = site.start(**settings).browser().get("/")
    assert page.status_code == 200, page.text
    assert f'<span class="role">{role}</span>' in page.text


def test_a_user_without_a_role_sees_what_the_issuer_says_and_which_settings_matter(site: Site) -> None:
    site.issuer.person["groups"] = ["<b>sales</b>", "Analyst", "\ud800"]
    page = site.start().browser().get("/")
    assert page.status_code == 403
    assert "&lt;b&gt;sales&lt;/b&gt;" in page.text
    assert "Analyst" in page.text
    for name in ("VIEWERS", "ANALYSTS", "LEADS", "OIDC_ROLES_CLAIM"):
        assert f"VOLTEFACE_CONSOLE_{name}" in page.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ana@example.org", "looks like an e-mail address"),
        ("ana lyst", "white space"),
        ("", "0 characters"),
        ("a" * 129, "129 characters"),
        ("\ud800", "not Unicode text"),
        (None, "no claim preferred_username"),
    ],
)
def test_a_user_whose_id_no_event_can_have_is_refused(site: Site, name: str | None, text: str) -> None:
    site.issuer.person["preferred_username"] = name
    page = site.start().browser().get("/")
    assert page.status_code == 403
    assert text in page.text
    assert "VOLTEFACE_CONSOLE_OIDC_USER_CLAIM" in page.text


def test_claims_that_only_userinfo_has_are_asked_for(site: Site) -> None:
    site.issuer.further = site.issuer.person
    site.issuer.person = {"sub": "u-1"}
    assert "analyst" in site.start().browser().get("/").text


def test_userinfo_about_somebody_else_is_refused(site: Site) -> None:
    site.issuer.further = site.issuer.person | {"sub": "u-2", "groups": ["lead"]}
    site.issuer.person = {"sub": "u-1"}
    page = site.start().browser().get("/")
    assert page.status_code == 400
    assert "about two users" in page.text


def test_the_console_starts_without_its_issuer_and_says_so(site: Site) -> None:
    browser = site.start(issuer_runs=False).browser()
    page = browser.get("/")
    assert page.status_code == 503
    assert f"The issuer {site.issuer.address} does not answer as expected" in page.text
    assert browser.get("/health/live").status_code == 200
    site.start_issuer()
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://another.example.org"},
        {"issuer": None},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
)
def test_an_issuer_that_describes_itself_badly_is_not_used(site: Site, description: dict[str, Any]) -> None:
    site.issuer.description = description
    assert site.start().browser().get("/").status_code == 503
    assert site.issuer.seen == []


def test_a_new_key_of_the_issuer_is_fetched(site: Site) -> None:
    site.start()
    assert site.browser().get("/").status_code == 200
    site.issuer.key = new_key()
    assert site.browser().get("/").status_code == 200


def test_an_issuer_that_wants_the_secret_in_the_form_gets_it_there(site: Site) -> None:
    site.issuer.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert site.start().browser().get("/").status_code == 200


def test_a_logout_ends_the_session_here_and_at_the_issuer(site: Site) -> None:
    browser = site.start().browser()
    form = re.search(r'action="/logout">.*?value="([^"]+)"', browser.get("/").text, re.DOTALL)
    assert form is not None
    assert browser.post("/logout", data={"csrf": "x"}).status_code == 403
    page = browser.post("/logout", data={"csrf": form[1]})
    assert page.status_code == 200
    onward = re.search(r'<a href="([^"]+)"', page.text)
    assert onward is not None
    assert browser.get("/", follow_redirects=False).status_code == 303
    end = browser.get(onward[1].replace("&amp;", "&"))
    assert site.issuer.seen[-1][0] == "end"
    assert site.issuer.seen[-1][1]["post_logout_redirect_uri"] == f"{site.address}/logged-out"
    assert (end.status_code, end.url.path) == (200, "/logged-out")
    assert browser.get("/", follow_redirects=False).status_code == 303


def test_without_the_issuers_logout_the_session_still_ends(site: Site) -> None:
    site.issuer.description = {"end_session_endpoint": None}
    browser = site.start().browser()
    browser.get("/")
    page = browser.post("/logout", data={"csrf": session_of(browser, site.settings)["csrf"]})
    assert (page.status_code, page.url.path) == (200, "/logged-out")
    assert browser.get("/", follow_redirects=False).status_code == 303


def test_somebody_who_is_refused_can_log_in_as_another(site: Site) -> None:
    site.issuer.person["groups"] = []
    browser = site.start().browser()
    assert 'href="/login?again=1"' in browser.get("/").text
    browser.get("/login?again=1")
    asked = [parameters for name, parameters in site.issuer.seen if name == "authorize"]
    assert [parameters.get("prompt") for parameters in asked] == [None, "login"]


def test_a_session_ends_and_a_forged_one_never_begins(site: Site) -> None:
    site.start()
    soon, past = int(time.time()) + 60, int(time.time()) - 1

    def status(**session: Any) -> int:
        cookies = session_cookie(site.settings, **session)
        return httpx.get(f"{site.address}/", cookies=cookies, trust_env=False).status_code

    assert status(user="ana", role="lead", until=soon) == 200
    assert status(user="ana", role="lead", until=past) == 303
    assert status(user="ana", role="lead") == 303
    assert status(user="ana", role="owner", until=soon) == 303
    name, value = next(iter(session_cookie(site.settings, user="ana", role="lead", until=soon).items()))
    forged = f"{'B' if value[0] != 'B' else 'C'}{value[1:]}"
    assert httpx.get(f"{site.address}/", cookies={name: forged}, trust_env=False).status_code == 303


EVIL = [
    "//evil.example", "///evil.example", r"/\evil.example", r"\\evil.example", "https://evil.example/",
    "https:evil.example", "http:/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "",
    "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
    "/%2F%2Fevil.example", "%2F%2Fevil.example", "/%5Cevil.example", "/@evil.example", "/.//evil.example",
    "/..//evil.example", "//evil.example%2F@127.0.0.1", "/login", "/logged-out", "/health/live",
    "/static/x", "/logout", "/\u2044/evil.example", "/?" + "a" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("address", EVIL)
def test_an_address_that_is_no_page_of_the_console_leads_to_the_queue(address: str) -> None:
    assert own_path(address) == "/"


@pytest.mark.parametrize(
    "address",
    ["/", "/?state=decided&text=a%2F%2Fb", "/cases/0123abcd", "/subjects?id=a%2Fb%3Fc", "/help"],
)
def test_a_page_of_the_console_is_kept(address: str) -> None:
    assert own_path(address) == address


@pytest.mark.parametrize(
    "address", ["//evil.example/", "/\\evil.example", "https://evil.example/", "/%2F/evil.example"]
)
def test_a_login_leads_to_no_other_site(site: Site, address: str) -> None:
    browser = site.start().browser(follow=False)
    asked = browser.get("/login", params={"next": address}).headers["location"]
    back = httpx.get(asked, trust_env=False).headers["location"]
    assert browser.get(back).headers["location"] == "/"


def test_a_script_gets_no_login_page(site: Site) -> None:
    browser = site.start().browser(follow=False)
    assert browser.get("/", headers={"HX-Request": "true"}).status_code == 401
    assert browser.get("/live", headers={"Accept": "text/event-stream"}).status_code == 401
    assert browser.get("/decisions/x", headers={"Sec-Fetch-Mode": "cors"}).status_code == 401
    assert browser.post("/next").status_code == 401
    assert "location" not in browser.post("/next").headers


def test_logins_of_one_address_are_limited(site: Site) -> None:
    browser = site.start().browser(follow=False)
    answers = [browser.get("/login")]
    assert answers[0].status_code == 302
    while answers[-1].status_code != 429 and len(answers) < 500:  # one a second is allowed on a slow machine, too
        answers.append(browser.get("/login"))
    assert answers[-1].status_code == 429
    assert len(answers) > 30
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert browser.get("/health/live").status_code == 200
