"""aiokafka's connection arguments, from the Kafka settings.

Invariant: every aiokafka client gets its arguments here. An error about a file names the setting that names the file.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.helpers import create_ssl_context

from stream.config import KafkaSettings, SettingsError
from stream.oauth_tokens import ClientCredentials, client_credentials

#: A topic without metadata for so long is missing.
_TOPIC_SECONDS: Final = 5


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of every aiokafka client; raise SettingsError if a file cannot be used."""
    return {"bootstrap_servers": kafka.bootstrap_servers, "client_id": kafka.client_id, **security(kafka)}


def consumer_connection(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of every aiokafka consumer; raise SettingsError if a file cannot be used."""
    return {**connection(kafka), "client_rack": kafka.client_rack}


def security(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of a single connection."""
    arguments: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(kafka)
    if kafka.security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = kafka.sasl_mechanism
    if kafka.uses_tokens:
        arguments["sasl_oauth_token_provider"] = _TokenProvider(client_credentials(kafka))
    elif kafka.security_protocol.startswith("SASL"):
        arguments["sasl_plain_username"] = kafka.sasl_username
        arguments["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return arguments


class _TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """Gives aiokafka's clients the process's token."""

    def __init__(self, source: ClientCredentials) -> None:
        self._source = source

    async def token(self) -> str:
        """Return a valid token; raise TokenError."""
        return await asyncio.to_thread(self._source.token)


async def partitions_of(producer: AIOKafkaProducer, topic: str) -> set[int]:
    """Return a topic's partitions, none if it is missing. (aiokafka itself would retry forever without a log line.)"""
    try:
        async with asyncio.timeout(_TOPIC_SECONDS):
            return set(await producer.partitions_for(topic))
    except TimeoutError:
        return set()


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    """Return a context that accepts only certificates of the authority, or of the system's, for the right host name."""
    with _name_setting_on_error(f"KAFKA_SSL_CAFILE={kafka.ssl_cafile!r}"):
        context: ssl.SSLContext = create_ssl_context(cafile=kafka.ssl_cafile)
    if kafka.ssl_certfile:
        with _name_setting_on_error(
            f"KAFKA_SSL_CERTFILE={kafka.ssl_certfile!r} with KAFKA_SSL_KEYFILE={kafka.ssl_keyfile!r} and "
            f"{'this' if kafka.ssl_key_password else 'no'} KAFKA_SSL_KEY_PASSWORD"
        ):
            # Without a password argument OpenSSL would ask for one on the terminal if the key is encrypted.
            password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else ""
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password=password)
    return context


@contextmanager
def _name_setting_on_error(setting: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or error
        raise SettingsError(f"{setting} cannot be used: {why}") from None
