"""One knock at Kafka before a client is made.

Rule of this room: clients try again for long, and tell nobody that their password is wrong. So what only a person can
mend is said here at once, in one line that names the setting to look at; what may mend itself is waited for.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, Final

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from stream.config import KafkaSettings
from stream.engine.access import security

#: Kafka may be on its way up, and so may be the network.
_PATIENCE_SECONDS: Final = 20
_TRY_SECONDS: Final = 5
#: OpenSSL's codes for a certificate of another host name, and of another address.
_ANOTHER_NAME: Final = (62, 64)

Address = tuple[str, int]


class AccessError(OSError):
    """Kafka does not let us in; the message is one line that names the setting to look at."""


def knock(kafka: KafkaSettings) -> None:
    """Return when Kafka has let us in; raises AccessError or SettingsError."""
    if not kafka.mock:
        asyncio.run(_knock(kafka))


async def _knock(kafka: KafkaSettings) -> None:
    secured = security(kafka)
    bootstrap = [(host, port) for host, port, _ in collect_hosts(kafka.bootstrap_servers)]
    brokers = await _first_answer(kafka, bootstrap, secured)
    # They may call themselves by other names, which the network must know and their certificates must bear.
    others = [broker for broker in brokers if broker not in bootstrap]
    if others:
        await _first_answer(kafka, others, secured)


async def _first_answer(kafka: KafkaSettings, asked: list[Address], secured: dict[str, Any]) -> list[Address]:
    """The brokers' own names for themselves, from the first that answers."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        to_mend: list[str] = []
        to_wait_for: list[str] = []
        for host, port in asked:
            try:
                return await _answer(host, port, secured)
            except (errors.KafkaError, OSError) as error:
                told = _to_mend(error, kafka)
                (to_mend if told else to_wait_for).append(f"Kafka at {host}:{port} {told or _silent(error)}")
        if to_mend or time.monotonic() > until:
            raise AccessError("; ".join(to_mend or to_wait_for))
        await asyncio.sleep(0.5)


async def _answer(host: str, port: int, secured: dict[str, Any]) -> list[Address]:
    talk = await create_conn(host, port, request_timeout_ms=1000 * _TRY_SECONDS, **secured)
    try:
        answer = await talk.send(MetadataRequest([]))
        return [(broker[1], broker[2]) for broker in answer.brokers]
    finally:
        await talk.close()


def _to_mend(error: Exception, kafka: KafkaSettings) -> str | None:
    """What a person has to mend, None where waiting may help."""
    told = None
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in _ANOTHER_NAME:
            told = f"has a certificate of another name, see KAFKA_BOOTSTRAP_SERVERS: {error.verify_message}"
        case ssl.SSLCertVerificationError():
            told = f"has a certificate that is not trusted, see KAFKA_SSL_CAFILE: {error.verify_message}"
        case ssl.SSLError():
            told = f"does not speak TLS with us, see KAFKA_SECURITY_PROTOCOL: {error.reason}"
        case errors.SaslAuthenticationFailed():
            told = f"refuses KAFKA_SASL_USERNAME={kafka.sasl_username!r} with this KAFKA_SASL_PASSWORD: {_words(error)}"
        case errors.UnsupportedSaslMechanismError():
            told = f"does not take KAFKA_SASL_MECHANISM={kafka.sasl_mechanism}"
        case errors.IllegalSaslStateError():
            told = "asks for no password, see KAFKA_SECURITY_PROTOCOL"
    return told


def _silent(error: Exception) -> str:
    return f"cannot be talked to, see KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL: {_words(error)}"


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
