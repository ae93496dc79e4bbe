"""aiokafka's arguments for the Kafka settings, and whether a topic is there; its clients get them here, nowhere else.

Rule of this room: a file that cannot be used is said with the setting that names it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context

from stream.config import KafkaSettings, SettingsError

#: A topic that cannot be seen for so long is missing.
_TOPIC_SECONDS: Final = 5


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client takes; raises SettingsError where a file cannot be used."""
    return {"bootstrap_servers": kafka.bootstrap_servers, **security(kafka)}


def security(kafka: KafkaSettings) -> dict[str, Any]:
    """What a single connection takes of it."""
    arguments: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(kafka)
    if kafka.security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = kafka.sasl_mechanism
        arguments["sasl_plain_username"] = kafka.sasl_username
        arguments["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return arguments


async def partitions_of(producer: AIOKafkaProducer, topic: str) -> set[int]:
    """A topic's partitions, none where it is missing: aiokafka itself would look for it for ever, and say nothing."""
    try:
        async with asyncio.timeout(_TOPIC_SECONDS):
            return set(await producer.partitions_for(topic))
    except TimeoutError:
        return set()


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    """Takes only a certificate of the authority, or of one of the system's, that bears the host name asked for."""
    with _naming(f"KAFKA_SSL_CAFILE={kafka.ssl_cafile!r}"):
        context: ssl.SSLContext = create_ssl_context(cafile=kafka.ssl_cafile)
    if kafka.ssl_certfile:
        with _naming(f"KAFKA_SSL_CERTFILE={kafka.ssl_certfile!r} with KAFKA_SSL_KEYFILE={kafka.ssl_keyfile!r}"):
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password="")
    return context


@contextmanager
def _naming(setting: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or error
        raise SettingsError(f"{setting} cannot be used: {why}") from None
