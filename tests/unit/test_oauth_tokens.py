"""Tokens: one for all clients, renewed in time, and kept while the issuer is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from stream.config import KafkaSettings
from stream.oauth_tokens import ClientCredentials, TokenError
from tests.kafka.token_issuer import CLIENT, SECRET, TokenIssuer


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer(lifetime_seconds=100) as issuer:
        yield issuer
        issuer.shutdown()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def _credentials(issuer: TokenIssuer, path: str = "/token") -> ClientCredentials:
    return ClientCredentials(
        KafkaSettings(
            sasl_oauth_token_url=f"{issuer.address}{path}",
            sasl_oauth_client_id=CLIENT,
            sasl_oauth_client_secret=SECRET,
            sasl_oauth_scope="kafka",
        )
    )


def test_a_token_is_used_for_most_of_its_life(issuer: TokenIssuer, clock: list[float]) -> None:
    credentials = _credentials(issuer)
    first = credentials.token()
    clock[0] += 79
    assert credentials.token() == first
    clock[0] += 1
    issuer.lifetime_seconds = 200
    assert credentials.token() != first
    assert issuer.count == 2


def test_a_token_is_kept_while_the_issuer_is_away_until_it_expires(
    issuer: TokenIssuer, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    credentials = _credentials(issuer)
    first = credentials.token()
    issuer.is_away = True
    clock[0] += 99
    with caplog.at_level(logging.WARNING):
        assert credentials.token() == first
    assert "The present token is used until it expires: KAFKA_SASL_OAUTH_TOKEN_URL=" in caplog.text
    assert first not in caplog.text
    clock[0] += 1
    with pytest.raises(TokenError, match=r"gives no token now: status 503$") as caught:
        credentials.token()
    assert not caught.value.is_refused


def test_an_answer_without_a_token_is_a_refusal(issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = _credentials(issuer)
    monkeypatch.setattr("stream.oauth_tokens._MAX_BYTES", 5)  # the rest of the answer is not read
    with pytest.raises(TokenError, match="answers without an access_token") as caught:
        credentials.token()
    assert caught.value.is_refused
