"""What Kafka refuses is one line that names the right or the setting; other errors stay as they are."""

from __future__ import annotations

import pytest
from aiokafka import errors

from stream.config import KafkaSettings, Settings, SettingsError
from stream.engine.refusals import named_refusals
from stream.rights import MissingRightsError, Operation

_KAFKA = KafkaSettings(security_protocol="SASL_SSL", sasl_username="v")


@pytest.mark.parametrize(
    ("error", "operation", "kind", "text"),
    [
        (
            errors.TransactionalIdAuthorizationFailed("volteface-3"),
            "Write",
            MissingRightsError,
            "User:v lacks the right Write on transactional-id volteface-: ",
        ),
        (
            errors.GroupAuthorizationFailedError("volteface"),
            "Write",
            MissingRightsError,
            "User:v lacks the right Read on group volteface: ",
        ),
        (
            errors.TopicAuthorizationFailedError("volteface-state"),
            "Write",
            MissingRightsError,
            "User:v lacks the right Write on topic volteface-state: ",
        ),
        (
            errors.TopicAuthorizationFailedError({"reviews"}),
            "Read",
            MissingRightsError,
            "User:v lacks the right Read on topic reviews: ",
        ),
        (
            errors.InvalidTransactionTimeout(),
            "Write",
            SettingsError,
            "VOLTEFACE_TRANSACTION_TIMEOUT_SECONDS=15 is refused: the brokers' transaction.max.timeout.ms is smaller",
        ),
        (
            errors.InvalidSessionTimeoutError(),
            "Read",
            SettingsError,
            "VOLTEFACE_SESSION_TIMEOUT_SECONDS=10 is refused: it is not between ",
        ),
    ],
)
def test_a_refusal_is_one_line(
    error: errors.KafkaError, operation: Operation, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught, named_refusals(Settings(), _KAFKA, operation):
        raise error
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_an_error_that_follows_from_a_refusal_is_that_refusal() -> None:
    refused = errors.KafkaError("Unexpected error during batch delivery")
    refused.__cause__ = errors.TopicAuthorizationFailedError()
    with pytest.raises(MissingRightsError) as caught, named_refusals(Settings(), _KAFKA, "Write"):
        raise refused
    assert str(caught.value).startswith("User:v lacks a right on a topic that Kafka does not name: ")


def test_another_error_stays_as_it_is() -> None:
    error = errors.ProducerFenced()
    with pytest.raises(errors.ProducerFenced) as caught, named_refusals(Settings(), _KAFKA, "Write"):
        raise error
    assert caught.value is error
