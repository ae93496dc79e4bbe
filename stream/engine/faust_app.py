"""The Faust application of a process that reads topics in a group: a worker, or a bridge.

Invariant: Faust assigns, fetches and serves the web pages. It commits nothing: tasks commit offsets in transactions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import faust
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor as Assignor

from stream.config import KafkaSettings, Settings
from stream.engine.kafka_auth import connection
from stream.engine.transport import App


class Raw(faust.Schema):  # type: ignore[misc]  # Faust ships no types
    """Passes the transport's batches of undecoded records on."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """A batch has no key."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The batch."""
        return message.value


def credentials(kafka: KafkaSettings) -> Any:
    """Return Faust's credentials for these settings; None for a plain connection."""
    arguments = connection(kafka)
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(arguments["ssl_context"])
    if "sasl_oauth_token_provider" in arguments:
        return faust.OAuthCredentials(
            oauth_cb=arguments["sasl_oauth_token_provider"], ssl_context=arguments.get("ssl_context")
        )
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=arguments["sasl_plain_username"], password=arguments["sasl_plain_password"],
            mechanism=kafka.sasl_mechanism, ssl_context=arguments.get("ssl_context"),
        )  # fmt: skip
    return None


def make_app(
    settings: Settings, kafka: KafkaSettings, assignor: type[Assignor], logging_config: Mapping[str, Any]
) -> App:
    """Return an application; its name, `settings.app_id`, is the group.

    Raises:
        SettingsError: A file that a setting names cannot be used.
    """
    urls = ";".join(f"batched://{server}" for server in kafka.bootstrap_servers.split(","))
    app = App(
        settings.app_id,
        broker=urls.replace("batched://", "kafka://"),
        broker_consumer=urls,
        broker_credentials=credentials(kafka),
        broker_client_id=kafka.client_id,
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        # A large fetch, because a backlog must always have fetched records while a fetch waits for the evidence topic:
        # Kafka answers a client's fetches one at a time.
        consumer_max_fetch_size=1_048_576,
        broker_max_poll_records=8000,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 5,
        broker_rebalance_timeout=15,
        broker_request_timeout=30,
        broker_max_poll_interval=300,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        store="memory://",
        datadir=tempfile.gettempdir(),  # nothing is stored there: the state is in Kafka
        web_bind=settings.web_host,
        web_host=settings.web_host,
        web_port=settings.web_port,
        logging_config=logging_config,
        worker_redirect_stdouts=False,
        web_in_thread=False,
    )
    app.group_assignor = assignor
    app.check_crcs = not kafka.mock
    app.client_rack = kafka.client_rack
    return app
