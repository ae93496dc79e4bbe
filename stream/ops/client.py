"""kafka-python's connection arguments, from the Kafka settings, for every client that a command makes."""

from __future__ import annotations

from typing import Any, Final

from kafka.net.sasl.oauth import AbstractTokenProvider

from stream.config import KafkaSettings
from stream.oauth_tokens import ClientCredentials, client_credentials

#: librdkafka's mock cannot negotiate a version with kafka-python; it supports at least this one.
_MOCK_API_VERSION: Final = (2, 0)


class _TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python ships no types
    """Gives kafka-python's clients the process's token."""

    def __init__(self, source: ClientCredentials) -> None:
        self._source = source

    def token(self) -> str:
        """Return a valid token; raise TokenError."""
        return self._source.token()


def consumer_connection(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of every kafka-python consumer."""
    return connection(kafka) | ({} if kafka.client_rack is None else {"client_rack": kafka.client_rack})


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
        "ssl_password": kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None,
        "client_id": kafka.client_id,
        "sasl_plain_password": kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        "api_version": _MOCK_API_VERSION if kafka.mock else None,
    }
    if kafka.uses_tokens:
        arguments["sasl_oauth_token_provider"] = _TokenProvider(client_credentials(kafka))
    return {name: value for name, value in arguments.items() if value is not None}
