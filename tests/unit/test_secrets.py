"""The Kafka settings for a secured connection: an error names the wrong setting, and no message has a secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from stream import config
from stream.config import SettingsError
from stream.engine.kafka_auth import connection

_PASSWORD: Final = "Tr0ub4dor,and=3"
_COMPLETE: Final = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_USERNAME": "volteface",
    "KAFKA_SASL_PASSWORD": _PASSWORD,
}


@pytest.fixture(autouse=True)
def _complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with all settings that SASL requires, without a developer's .env."""
    monkeypatch.chdir(tmp_path)
    for name, value in _COMPLETE.items():
        monkeypatch.setenv(name, value)


def _command(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and its whole output, without line wrapping."""
    environment = os.environ | {"COLUMNS": "1000", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "stream.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_settings_are_shown_without_the_password() -> None:
    code, output = _command("settings")
    assert code == 0
    assert re.search(r"KAFKA_SASL_PASSWORD.*\(hidden\)", output)
    assert "KAFKA_SASL_USERNAME" in output
    assert _PASSWORD not in output


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("KAFKA_SASL_MECHANISM", "KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ("KAFKA_SASL_USERNAME", "KAFKA_SASL_MECHANISM=PLAIN"),
        ("KAFKA_SASL_PASSWORD", "KAFKA_SASL_MECHANISM=PLAIN"),
    ],
)
@pytest.mark.parametrize("value", ["", None])
def test_a_missing_sasl_setting_is_named(
    field: str, reason: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(field, "") if value is not None else monkeypatch.delenv(field)
    with pytest.raises(SettingsError, match=f"^{field} is not set: {reason} needs it$"):
        config.load()


@pytest.mark.parametrize("name", ["KAFKA_SASL_MECHANISM", "VOLTEFACE_WEB_PORT"])
def test_the_error_of_another_setting_does_not_show_the_password(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "wrong")
    for command in (("settings",), ("topics", "check"), ("worker",)):
        code, output = _command(*command)
        assert code == 2
        assert output.count("\n") == 1
        line = json.loads(output)["error"] if command == ("worker",) else output  # a worker's lines are JSON
        assert line.startswith(f"SettingsError: {name}='wrong' cannot be used: ")
        assert _PASSWORD not in output


def test_a_password_that_is_not_utf8_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", os.fsdecode(_PASSWORD.encode() + b"\xff"))
    code, output = _command("settings")
    assert (code, output) == (
        2, "SettingsError: KAFKA_SASL_PASSWORD=(hidden) cannot be used: it is not UTF-8\n"
    )  # fmt: skip


def test_a_settings_file_that_is_not_utf8_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(f"KAFKA_SASL_PASSWORD={_PASSWORD}".encode() + b"\xff\n")
    code, output = _command("settings")
    assert (code, output) == (2, "SettingsError: .env cannot be read: it is not UTF-8, see byte 35\n")


def _encrypted_key(folder: Path) -> Path:
    key = folder / "key.pem"
    cipher = ("-aes256", "-pass", f"pass:{_PASSWORD}")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", *cipher, "-out", key], check=True)
    return key


def test_files_that_cannot_be_used_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encrypted key is refused too: OpenSSL would ask for its password on a terminal, which a service has not."""
    empty, key, certificate = tmp_path / "empty.pem", _encrypted_key(tmp_path), tmp_path / "certificate.pem"
    empty.touch()
    signed = ("-key", key, "-passin", f"pass:{_PASSWORD}", "-subj", "/CN=client", "-out", certificate)
    subprocess.run(["openssl", "req", "-x509", *signed], check=True)
    faults = {
        ("/no/such/file", None, None): "KAFKA_SSL_CAFILE='/no/such/file' cannot be used: No such file or directory",
        (empty, None, None): f"KAFKA_SSL_CAFILE='{empty}' cannot be used: NO_CERTIFICATE_OR_CRL_FOUND",
        (
            None,
            certificate,
            "/no/such/key",
        ): f"KAFKA_SSL_CERTFILE='{certificate}' with KAFKA_SSL_KEYFILE='/no/such/key' ",
        (
            None,
            certificate,
            key,
        ): f"KAFKA_SSL_CERTFILE='{certificate}' with KAFKA_SSL_KEYFILE='{key}' and no KAFKA_SSL_KEY_PASSWORD cannot ",
    }
    for files, words in faults.items():
        with monkeypatch.context() as patched:
            for name, value in zip(("CAFILE", "CERTFILE", "KEYFILE"), files, strict=True):
                if value is not None:
                    patched.setenv(f"KAFKA_SSL_{name}", str(value))
            _, kafka = config.load()
            with pytest.raises(SettingsError) as error:
                connection(kafka)
        assert str(error.value).startswith(words)
        assert _PASSWORD not in str(error.value)
