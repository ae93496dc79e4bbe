"""What Kafka refuses to a worker until a person changes a right or a setting, as one line.

Invariant: a missing right (`MissingRightsError`) is tried again, because it may be given later. A setting beyond a
broker's limit (`SettingsError`) is not: neither changes without a restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors

from stream.config import KafkaSettings, Settings, SettingsError, variable
from stream.rights import MissingRightsError, Operation, Right, refusal_of


class MissingTopicError(LookupError):
    """A topic that a task writes or restores from does not exist; the message is one line for a person.

    Attributes:
        topic: The topic.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        super().__init__(
            f"topic {topic} is missing: run `volteface topics create`, and the task goes on from its last checkpoint"
        )


@contextmanager
def named_refusals(settings: Settings, kafka: KafkaSettings, operation: Operation) -> Iterator[None]:
    """Raise what Kafka refuses as one line.

    Args:
        settings, kafka: All settings.
        operation: What was tried, if the refusal is about a topic.
    """
    try:
        yield
    except errors.KafkaError as error:
        refusal = refusal_of(error) or error
        line = one_line(refusal, settings, kafka, operation)
        if line is refusal:
            raise
        raise line from None


def one_line(error: BaseException, settings: Settings, kafka: KafkaSettings, operation: Operation) -> BaseException:
    """Return an error of one line that says what to do, or the error itself if it is no refusal."""
    match error:
        case errors.TransactionalIdAuthorizationFailed():
            return MissingRightsError(kafka, Right("Write", "transactional-id", f"{settings.app_id}-"))
        case errors.GroupAuthorizationFailedError():
            return MissingRightsError(kafka, Right("Read", "group", settings.app_id))
        case errors.TopicAuthorizationFailedError():
            return MissingRightsError(kafka, *(Right(operation, "topic", name) for name in _topics(error)))
        case errors.InvalidTransactionTimeout():
            shown = f"{variable(Settings, 'transaction_timeout_seconds')}={settings.transaction_timeout_seconds:g}"
            return SettingsError(f"{shown} is refused: the brokers' transaction.max.timeout.ms is smaller")
        case errors.InvalidSessionTimeoutError():
            shown = f"{variable(Settings, 'session_timeout_seconds')}={settings.session_timeout_seconds:g}"
            return SettingsError(
                f"{shown} is refused: it is not between the brokers' group.min.session.timeout.ms and "
                "group.max.session.timeout.ms"
            )
    return error


def _topics(error: BaseException) -> list[str]:
    """Return the topics that an error names: clients give one, or a set, or none."""
    found = error.args[0] if error.args else ()
    return [found] if isinstance(found, str) else sorted(map(str, found))
