"""A real Kafka that asks for TLS and a password: its certificate, its user, and a client's settings for it.

Rule of this room: nothing here is kept; each broker gets an authority, keys and a certificate of its own, by openssl.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import UserScramCredentialUpsertion

from stream.config import KafkaSettings
from stream.ops.broker import Broker, free_port

USER: Final = "volteface"
#: Found as it stands wherever it is shown, for no format has to escape a letter of it.
PASSWORD: Final = "Tr0ub4dor,and=3"

#: The broker speaks to itself, and its operator to it, on the plain listener that a `Broker` has anyway.
_LISTENERS: Final = """\
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:@PORT@
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=@KEYSTORE@
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_@USER@="@PASSWORD@";
"""


class Secured(NamedTuple):
    """A broker's address and the files of its certificate's authority and of another one."""

    port: int
    authority: Path
    stranger: Path

    def settings(self, **changed: str | None) -> KafkaSettings:
        """A client's settings, right where they are not changed."""
        right = {
            "bootstrap_servers": f"127.0.0.1:{self.port}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "ssl_cafile": str(self.authority),
        }
        given = {name: value for name, value in (right | changed).items() if value is not None}
        return KafkaSettings.model_validate(given)


@contextmanager
def secured_broker(folder: Path) -> Iterator[Secured]:
    """A Kafka with a listener that takes nothing but TLS and the one user."""
    authority, stranger = _authority(folder, "authority"), _authority(folder, "stranger")
    port = free_port()
    filled = {"PORT": str(port), "KEYSTORE": str(_keystore(folder, authority)), "USER": USER, "PASSWORD": PASSWORD}
    more = _LISTENERS
    for name, value in filled.items():
        more = more.replace(f"@{name}@", value)
    with Broker(more=more) as broker:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as operator:
            user = UserScramCredentialUpsertion(USER, "SCRAM-SHA-512", PASSWORD)
            assert operator.alter_user_scram_credentials([user]) == {USER: None}
        yield Secured(port, authority, stranger)


def _authority(folder: Path, name: str) -> Path:
    certificate = folder / f"{name}.pem"
    _openssl("req", "-x509", *_new_key(folder / f"{name}.key"), "-subj", f"/CN={name}", "-out", certificate)
    return certificate


def _keystore(folder: Path, authority: Path) -> Path:
    """Key and certificate of 127.0.0.1, and of no other name, in one file, as Kafka wants them."""
    key, certificate, keystore = folder / "broker.key", folder / "broker.pem", folder / "keystore.pem"
    signed = ("-CA", authority, "-CAkey", authority.with_suffix(".key"), "-addext", "subjectAltName=IP:127.0.0.1")
    _openssl("req", "-x509", *_new_key(key), "-subj", "/CN=broker", *signed, "-out", certificate)
    keystore.write_bytes(key.read_bytes() + certificate.read_bytes())
    return keystore


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
