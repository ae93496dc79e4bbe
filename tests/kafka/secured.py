"""A real Kafka that requires TLS and a password: its certificate, its user, and a client's settings for it.

Invariant: each broker gets a new authority, new keys and a new certificate from openssl; none is kept.
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
#: No format escapes a character of it, so a search finds it in any output.
PASSWORD: Final = "Tr0ub4dor,and=3"

#: The broker's own connections and the admin client use the plaintext listener that every `Broker` has.
_LISTENERS: Final = """\
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:@PORT@,SSL://127.0.0.1:@TLS_PORT@,CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:@PORT@,SSL://127.0.0.1:@TLS_PORT@
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=@KEYSTORE@
listener.name.ssl.ssl.client.auth=required
listener.name.ssl.ssl.truststore.type=PEM
listener.name.ssl.ssl.truststore.location=@AUTHORITY@
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_@USER@="@PASSWORD@";
"""


class Secured(NamedTuple):
    """A broker's ports and the certificate files of authorities.

    Attributes:
        port: Of the listener that asks for a password.
        tls_port: Of the listener that asks for a certificate of the client.
        authority: Signed the broker's certificate and the client's.
        other_authority: Signed neither.
        client_key, client_certificate: Of a client; the key is encrypted with PASSWORD.
    """

    port: int
    tls_port: int
    authority: Path
    other_authority: Path
    client_key: Path
    client_certificate: Path

    def settings(self, **changed: str | None) -> KafkaSettings:
        """Return a client's settings: correct ones, with the given changes."""
        correct = {
            "bootstrap_servers": f"127.0.0.1:{self.port}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "ssl_cafile": str(self.authority),
        }
        values = {name: value for name, value in (correct | changed).items() if value is not None}
        return KafkaSettings.model_validate(values)


@contextmanager
def secured_broker(folder: Path) -> Iterator[Secured]:
    """Start a Kafka with a listener that accepts only TLS connections of one user."""
    authority, other_authority = _authority(folder, "authority"), _authority(folder, "other-authority")
    port, tls_port = free_port(), free_port()
    values = {
        "PORT": str(port), "TLS_PORT": str(tls_port), "AUTHORITY": str(authority),
        "KEYSTORE": str(_keystore(folder, authority)), "USER": USER, "PASSWORD": PASSWORD,
    }  # fmt: skip
    client_key, client_certificate = _client(folder, authority)
    more = _LISTENERS
    for name, value in values.items():
        more = more.replace(f"@{name}@", value)
    with Broker(more=more) as broker:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            user = UserScramCredentialUpsertion(USER, "SCRAM-SHA-512", PASSWORD)
            assert admin.alter_user_scram_credentials([user]) == {USER: None}
        yield Secured(port, tls_port, authority, other_authority, client_key, client_certificate)


def _authority(folder: Path, name: str) -> Path:
    certificate = folder / f"{name}.pem"
    _openssl("req", "-x509", *_new_key(folder / f"{name}.key"), "-subj", f"/CN={name}", "-out", certificate)
    return certificate


def _keystore(folder: Path, authority: Path) -> Path:
    """Write key and certificate of 127.0.0.1, and of no other name, into one file, as Kafka requires."""
    key, certificate, keystore = folder / "broker.key", folder / "broker.pem", folder / "keystore.pem"
    signed = ("-CA", authority, "-CAkey", authority.with_suffix(".key"), "-addext", "subjectAltName=IP:127.0.0.1")
    _openssl("req", "-x509", *_new_key(key), "-subj", "/CN=broker", *signed, "-out", certificate)
    keystore.write_bytes(key.read_bytes() + certificate.read_bytes())
    return keystore


def _client(folder: Path, authority: Path) -> tuple[Path, Path]:
    """Return the files of a client's encrypted key and of its certificate."""
    plain, key, certificate = folder / "client-plain.key", folder / "client.key", folder / "client.pem"
    signed = ("-CA", authority, "-CAkey", authority.with_suffix(".key"))
    _openssl("req", "-x509", *_new_key(plain), "-subj", "/CN=client", *signed, "-out", certificate)
    _openssl("pkcs8", "-topk8", "-in", plain, "-passout", f"pass:{PASSWORD}", "-out", key)
    plain.unlink()
    return key, certificate


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
