"""SASL/OAUTHBEARER on a real Kafka that checks signed tokens, whose sessions end with the tokens."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaAdminClient

from stream.config import KafkaSettings
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection
from tests.kafka.group import Group, Market, Worker, argv, environment_of, wait
from tests.kafka.token_issuer import CLIENT, SECRET, TokenIssuer

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("oauth")]

_LIFETIME_SECONDS: Final = 10
_OAUTH: Final = "org.apache.kafka.common.security.oauthbearer"
_LISTENERS: Final = f"""\
listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:@PORT@
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
connections.max.reauth.ms=3600000
broker.rack=a
replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector
sasl.oauthbearer.jwks.endpoint.url=@ISSUER@/keys
sasl.oauthbearer.expected.audience=kafka
listener.name.sasl_plaintext.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config={_OAUTH}.OAuthBearerLoginModule required;
listener.name.sasl_plaintext.oauthbearer.sasl.server.callback.handler.class={_OAUTH}.OAuthBearerValidatorCallbackHandler
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer(_LIFETIME_SECONDS) as issuer:
        yield issuer
        issuer.shutdown()


@pytest.fixture(scope="module")
def kafka(issuer: TokenIssuer) -> Iterator[KafkaSettings]:
    port = free_port()
    more = _LISTENERS.replace("@PORT@", str(port)).replace("@ISSUER@", issuer.address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.address}/keys")
        with Broker(more=more) as broker:
            assert broker.pid is not None
            yield KafkaSettings(
                bootstrap_servers=f"127.0.0.1:{port}",
                security_protocol="SASL_PLAINTEXT",
                sasl_mechanism="OAUTHBEARER",
                sasl_oauth_token_url=f"{issuer.address}/token",
                sasl_oauth_client_id=CLIENT,
                sasl_oauth_client_secret=SECRET,
                sasl_oauth_scope="kafka",
                client_id="marketplace",
                client_rack="a",
            )


def _line(kafka: KafkaSettings, **changed: str) -> str:
    """Return the line with which a command ends under changed settings."""
    values = {name: getattr(kafka, name) for name in kafka.model_fields_set}
    environment = os.environ | environment_of(KafkaSettings(**(values | changed)))
    done = subprocess.run(
        argv("topics", "check"), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) in {(1, ""), (2, "")}, done.stderr
    assert SECRET not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.long
def test_a_worker_gets_new_tokens_before_the_old_ones_expire(
    kafka: KafkaSettings, issuer: TokenIssuer, market: Market, tmp_path: Path
) -> None:
    """Kafka ends each connection when its token expires; nothing is lost or counted twice."""
    group = Group("oauth", kafka, tmp_path)
    before = issuer.count
    half = tmp_path / "half.jsonl"
    lines = market.events.read_bytes().splitlines(keepends=True)
    half.write_bytes(b"".join(lines[: market.total // 2]))
    rest = tmp_path / "rest.jsonl"
    rest.write_bytes(b"".join(lines[market.total // 2 :]))
    group.command("feed", "--input", str(half))
    worker = Worker(group)
    try:
        wait(worker.ready, 60, "the worker did not start")
        with closing(KafkaAdminClient(**connection(kafka))) as admin:
            (member,) = admin.describe_groups([group.settings.app_id])[group.settings.app_id]["members"]
        assert member["client_id"] == "marketplace"
        worker.wait_for(market.total // 2)
        time.sleep(2 * _LIFETIME_SECONDS)
        group.command("feed", "--input", str(rest))
        worker.wait_for(market.total)
        group.wait_for_state(market.expected)
        assert worker.stop() == 0
    finally:
        worker.kill()
    group.assert_equals(market.expected, market.alert_ids)
    # Two of the feeds, and the worker's: each is used for 80 % of its life, by all clients of the process.
    assert 4 <= issuer.count - before <= 20
    assert SECRET not in (tmp_path / "worker.log").read_text()


@pytest.mark.long
def test_an_error_is_one_line(kafka: KafkaSettings, issuer: TokenIssuer) -> None:
    url = f"KAFKA_SASL_OAUTH_TOKEN_URL='{issuer.address}/token'"
    start = f"AccessError: Kafka at {kafka.bootstrap_servers} cannot be asked: {url}"
    assert _line(kafka, sasl_oauth_client_secret="wrong") == (
        f"{start} refuses KAFKA_SASL_OAUTH_CLIENT_ID='{CLIENT}' with this KAFKA_SASL_OAUTH_CLIENT_SECRET: "
        "invalid_client, no such client"
    )
    assert _line(kafka, sasl_oauth_scope="other").endswith(": invalid_scope")
    assert _line(kafka, sasl_oauth_token_url=f"{issuer.address}/else").endswith(": status 404")
    nowhere = f"http://127.0.0.1:{free_port()}/token"
    assert f"KAFKA_SASL_OAUTH_TOKEN_URL='{nowhere}' does not answer: " in _line(kafka, sasl_oauth_token_url=nowhere)
    issuer.is_away = True
    try:
        assert "gives no token now: status 503" in _line(kafka)
    finally:
        issuer.is_away = False


def test_a_setting_that_is_missing_is_named() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
    environment |= {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}
    for arguments in (("topics", "check"), ("worker",)):
        done = subprocess.run(
            argv(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode in {1, 2}
        assert "KAFKA_SASL_OAUTH_TOKEN_URL is not set: KAFKA_SASL_MECHANISM=OAUTHBEARER needs it" in done.stderr
        assert "Traceback" not in done.stderr
