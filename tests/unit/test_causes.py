"""The errors that an error follows from: each once, although an error may be its own cause."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaError, ProducerFenced

from stream.causes import causes
from stream.rights import refusal_of


def test_causes_come_in_order() -> None:
    first, second = KafkaError("first"), KafkaError("second")
    second.__cause__ = first
    assert list(causes(second)) == [second, first]
    assert list(causes(None)) == []


def test_an_error_that_is_raised_from_itself_ends() -> None:
    """A fenced producer's batch fails with the error that ends the transaction, which is then raised from itself."""
    fenced = ProducerFenced()
    with pytest.raises(ProducerFenced) as raised:
        raise fenced from fenced
    assert list(causes(raised.value)) == [fenced]
    assert refusal_of(raised.value) is None
