"""One connection to Kafka before any client is made.

Invariant: an error that only a person can correct, for example a wrong password, ends the command at once with one line
that names the setting. (Kafka's clients retry such errors for half a minute without a message.) Other errors are
retried for _TOTAL_SECONDS.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from stream.config import KafkaSettings
from stream.engine.kafka_auth import security
from stream.oauth_tokens import TokenError

#: How long to retry: Kafka or the network may be starting.
_TOTAL_SECONDS: Final = 20
_TRY_SECONDS: Final = 5
#: After this time a person wants to know what the command waits for.
_QUIET_SECONDS: Final = 1
#: OpenSSL's codes for a certificate of another host name, and of another IP address.
_NAME_MISMATCH_CODES: Final = (62, 64)

Address = tuple[str, int]


class AccessError(OSError):
    """Kafka cannot be used with these settings; the message is one line that names the setting."""


def check(kafka: KafkaSettings, on_wait: Callable[[str], None] | None = None) -> None:
    """Return once Kafka has accepted a connection. See `first_connection`."""
    asyncio.run(first_connection(kafka, on_wait))


async def first_connection(kafka: KafkaSettings, on_wait: Callable[[str], None] | None = None) -> None:
    """Return once Kafka has accepted a connection.

    Args:
        kafka: How to reach Kafka.
        on_wait: Called with one line if Kafka has not answered after _QUIET_SECONDS.

    Raises:
        AccessError: It did not.
        SettingsError: A file named by a setting cannot be used.
    """
    secured = security(kafka)
    bootstrap = [(host, port) for host, port, _ in collect_hosts(kafka.bootstrap_servers)]
    brokers = await _first_reply(kafka, bootstrap, secured, on_wait)
    # Brokers may advertise other host names, which must resolve and must be in their certificates.
    others = [broker for broker in brokers if broker not in bootstrap]
    if others:
        await _first_reply(kafka, others, secured, on_wait)


async def _first_reply(
    kafka: KafkaSettings, addresses: list[Address], secured: dict[str, Any], on_wait: Callable[[str], None] | None
) -> list[Address]:
    """Return the advertised addresses of the brokers, from the first address that answers."""
    if on_wait is None:
        return await _retried(kafka, addresses, secured)
    names = ", ".join(f"{host}:{port}" for host, port in addresses)
    line = f"waiting for Kafka at {names}, for up to {_TOTAL_SECONDS} seconds"
    notice = asyncio.get_running_loop().call_later(_QUIET_SECONDS, on_wait, line)
    try:
        return await _retried(kafka, addresses, secured)
    finally:
        notice.cancel()


async def _retried(kafka: KafkaSettings, addresses: list[Address], secured: dict[str, Any]) -> list[Address]:
    """Return the first address's reply; retry for _TOTAL_SECONDS."""
    until = time.monotonic() + _TOTAL_SECONDS
    while True:
        fatal: list[str] = []
        transient: list[str] = []
        for host, port in addresses:
            try:
                return await (_accepted_by if kafka.mock else _brokers_of)(host, port, secured)
            except (errors.KafkaError, OSError) as error:
                reason = _fatal_reason(error, kafka)
                (fatal if reason else transient).append(f"Kafka at {host}:{port} {reason or _transient_reason(error)}")
        if fatal or time.monotonic() > until:
            raise AccessError("; ".join(fatal or transient))
        await asyncio.sleep(0.5)


async def _accepted_by(host: str, port: int, secured: dict[str, Any]) -> list[Address]:
    """Connect to the mock, which does not answer every request."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return []


async def _brokers_of(host: str, port: int, secured: dict[str, Any]) -> list[Address]:
    conn = await create_conn(host, port, request_timeout_ms=1000 * _TRY_SECONDS, **secured)
    try:
        answer = await conn.send(MetadataRequest([]))
        return [(broker[1], broker[2]) for broker in answer.brokers]
    finally:
        await conn.close()


def _fatal_reason(error: Exception, kafka: KafkaSettings) -> str | None:
    """Return what a person has to correct; None if a retry may help."""
    reason = None
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in _NAME_MISMATCH_CODES:
            reason = f"has a certificate of another name, see KAFKA_BOOTSTRAP_SERVERS: {error.verify_message}"
        case ssl.SSLCertVerificationError():
            reason = f"has a certificate that is not trusted, see KAFKA_SSL_CAFILE: {error.verify_message}"
        case ssl.SSLError():
            reason = f"does not accept a TLS connection, see KAFKA_SECURITY_PROTOCOL: {error.reason}"
        case TokenError(is_refused=True):
            reason = f"cannot be asked: {error}"
        case errors.SaslAuthenticationFailed() if kafka.uses_tokens:
            reason = (
                f"refuses the token of KAFKA_SASL_OAUTH_CLIENT_ID={kafka.sasl_oauth_client_id!r}: {_one_line(error)}"
            )
        case errors.SaslAuthenticationFailed():
            reason = (
                f"refuses KAFKA_SASL_USERNAME={kafka.sasl_username!r} with this KAFKA_SASL_PASSWORD: {_one_line(error)}"
            )
        case errors.UnsupportedSaslMechanismError():
            reason = f"does not take KAFKA_SASL_MECHANISM={kafka.sasl_mechanism}"
        case errors.IllegalSaslStateError():
            reason = "asks for no password, see KAFKA_SECURITY_PROTOCOL"
    return reason


def _transient_reason(error: Exception) -> str:
    if isinstance(error, TokenError):
        return f"cannot be asked: {error}"
    return f"does not answer, see KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
