"""The error of a command whose transaction another command of the same kind has ended.

Invariant: Kafka lets one producer at a time use a transactional id, so what the ended transaction held was not written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import errors

_FENCED: Final = (errors.ProducerFencedError, errors.InvalidProducerEpochError)


class TakenOverError(OSError):
    """Another command has taken over; the message is one line for a person."""


@contextmanager
def named_takeover(command: str, outcome: str) -> Iterator[None]:
    """Raise TakenOverError in place of Kafka's error that another producer has taken the transactional id.

    Args:
        command: The command, such as `dlq replay`.
        outcome: What has become of its work, and what to do next.
    """
    try:
        yield
    except errors.KafkaError as error:
        if not _is_fenced(error):
            raise
        text = f"another `volteface {command}` of this group took over while this one ran; {outcome}"
        raise TakenOverError(text) from None


def _is_fenced(error: errors.KafkaError) -> bool:
    """Return whether an error says so: later calls report a failed producer, with the first error as an argument."""
    return isinstance(error, _FENCED) or any(isinstance(each, _FENCED) for each in error.args)
