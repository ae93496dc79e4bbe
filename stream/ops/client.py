"""kafka-python's connection arguments, from the Kafka settings, for every client that a command makes."""

from __future__ import annotations

from typing import Any, Final

from stream.config import KafkaSettings

#: librdkafka's mock cannot negotiate a version with kafka-python; it supports at least this one.
_MOCK_API_VERSION: Final = (2, 0)


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of every kafka-python client."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "security_protocol": kafka.security_protocol,
        "ssl_cafile": kafka.ssl_cafile,
        "ssl_certfile": kafka.ssl_certfile,
        "ssl_keyfile": kafka.ssl_keyfile,
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_plain_username": kafka.sasl_username,
        "sasl_plain_password": kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        "api_version": _MOCK_API_VERSION if kafka.mock else None,
    }
    return {name: value for name, value in arguments.items() if value is not None}
