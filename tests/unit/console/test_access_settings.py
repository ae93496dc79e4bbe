"""Settings of the console's authentication that would let strangers in, or nobody, end the start in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stream import config
from stream.config import ConsoleSettings, SettingsError
from stream.console.access.protection import authenticator_of
from tests.unit.console.running_console import console_settings

OIDC: dict[str, Any] = {
    "console_auth": "oidc",
    "console_oidc_issuer": "https://id.example.org",
    "console_oidc_client_id": "console",
    "console_oidc_client_secret": SecretStr("x"),
}
PROXY: dict[str, Any] = {"console_auth": "proxy", "console_trusted": "10.0.0.1"}
PUBLIC: dict[str, Any] = {"console_host": "0.0.0.0"}
HTTPS: dict[str, Any] = {"console_public_url": "https://cases.example.org"}


def _loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, **variables: str) -> ConsoleSettings:
    monkeypatch.chdir(folder)
    for name, value in variables.items():
        monkeypatch.setenv(f"VOLTEFACE_CONSOLE_{name}", value)
    return config.load_console()


@pytest.mark.parametrize("missing", ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"])
def test_a_missing_setting_of_the_issuer_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables = {"AUTH": "oidc", "OIDC_ISSUER": "https://x.org", "OIDC_CLIENT_ID": "c", "OIDC_CLIENT_SECRET": "s"}
    expected = f"^VOLTEFACE_CONSOLE_{missing} is not set: VOLTEFACE_CONSOLE_AUTH=oidc needs it$"
    with pytest.raises(SettingsError, match=expected):
        _loaded(monkeypatch, tmp_path, **variables | {missing: ""})


def test_a_proxy_needs_a_trusted_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = "^VOLTEFACE_CONSOLE_TRUSTED is not set: VOLTEFACE_CONSOLE_AUTH=proxy needs it$"
    with pytest.raises(SettingsError, match=expected):
        _loaded(monkeypatch, tmp_path, AUTH="proxy", TRUSTED="")
    with pytest.raises(SettingsError, match=expected):
        authenticator_of(console_settings(console_auth="proxy", console_trusted=" , "))


@pytest.mark.parametrize("value", ["10.0.0.0/8, proxy.example.org", "10.0.0.1/8", "0.0.0.0/0", "::/0", "300.1.1.1"])
def test_trusted_addresses_are_checked(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^VOLTEFACE_CONSOLE_TRUSTED='.*' cannot be used: [^\n]+$"):
        _loaded(monkeypatch, tmp_path, AUTH="proxy", TRUSTED=value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (PUBLIC, "VOLTEFACE_CONSOLE_HOST"),
        ({"console_host": "192.0.2.1"}, "VOLTEFACE_CONSOLE_HOST"),
        ({"console_host": "no-such-host.invalid"}, "VOLTEFACE_CONSOLE_HOST"),
        (HTTPS, "VOLTEFACE_CONSOLE_PUBLIC_URL"),
        ({"console_user": "ana@example.org"}, "VOLTEFACE_CONSOLE_USER"),
        (PROXY | PUBLIC, "VOLTEFACE_CONSOLE_PUBLIC_URL"),
        (OIDC | PUBLIC, "VOLTEFACE_CONSOLE_PUBLIC_URL"),
        (OIDC | {"console_public_url": "https://x:port"}, "VOLTEFACE_CONSOLE_PUBLIC_URL"),
        (OIDC | {"console_oidc_issuer": "http://192.0.2.1/"}, "VOLTEFACE_CONSOLE_OIDC_ISSUER"),
    ],
)
def test_settings_that_let_strangers_in_end_the_start(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^[^\n]*{name}[^\n]*$"):
        authenticator_of(console_settings(**settings))


@pytest.mark.parametrize(
    "settings",
    [{}, {"console_host": "localhost"}, {"console_host": "::1"}, PROXY, PROXY | PUBLIC | HTTPS, OIDC,
     OIDC | PUBLIC | HTTPS, OIDC | {"console_oidc_issuer": "http://127.0.0.1:8081/realms/x"}],
)  # fmt: skip
def test_other_settings_are_used(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        authenticator_of(console_settings(**settings))
    assert caplog.text == ""


def test_a_public_address_without_tls_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    authenticator_of(console_settings(**OIDC, **PUBLIC, console_public_url="http://cases.example.org"))
    assert "without TLS" in caplog.text
