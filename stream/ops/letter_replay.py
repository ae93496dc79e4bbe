"""Sends dead letters again: each original once, in all runs together.

Invariant: one transaction holds the originals and the settlement of their letters, so a run that is interrupted sends
nothing twice and the next one continues. A letter that cannot be sent stops no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer, errors

from stream.config import KafkaSettings, Settings
from stream.intake.header_names import RawName
from stream.intake.settlements import Settled, settlement
from stream.ops import topic_reader
from stream.ops.client import connection
from stream.ops.taken_over import named_takeover
from stream.ops.topic_reader import StoredLetter

_ACK_SECONDS: Final = 60
#: The most letters of a transaction, and the bytes after which it is complete.
_BATCH_LETTERS: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024
#: Larger than any letter.
_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
#: Kafka does not take the record, whenever it is sent.
_REFUSALS: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    errors.InvalidTimestampError,
)


class Choice(NamedTuple):
    """Which letters are sent again.

    Attributes:
        reason: Only letters with this reason; None for all.
        limit: The most letters; None for all.
    """

    reason: str | None = None
    limit: int | None = None


class Replayed(NamedTuple):
    """Numbers of letters: sent by this run, sent by an earlier one, and that cannot be sent."""

    sent: int
    settled: int
    unsendable: int


def replay(
    settings: Settings,
    kafka: KafkaSettings,
    topic: str,
    choice: Choice,
    on_foreign: Callable[[str], None],
    on_unsendable: Callable[[str], None],
    on_first: Callable[[StoredLetter], None] | None = None,
) -> Replayed:
    """Send the originals of a topic's dead letters again that no earlier run has sent.

    Args:
        settings, kafka: All settings.
        topic: The topic of the originals.
        choice: Which letters are sent.
        on_foreign: Called for each record on the dead-letter topic that is no letter.
        on_unsendable: Called for each letter that cannot be sent, with the place of its original and the reason.
        on_first: Called with the first letter that will be sent, before anything is sent.

    Raises:
        KafkaError: Kafka is away; what was sent before is settled.
        TakenOverError: Another run has ended this one; what was sent before is settled.
    """
    with (
        named_takeover("dlq replay", "no letter was sent twice: run it again"),
        closing(_Run(settings, kafka, topic, on_unsendable)) as run,
    ):
        earlier = 0
        letters: list[StoredLetter] = []
        for stored in topic_reader.dead_letters(settings, kafka, topic, on_foreign):
            if choice.reason not in (None, stored.letter.reason):
                continue
            if run.is_settled(stored):
                earlier += 1
                continue
            if (why := _unsendable(stored)) is not None:
                run.report(stored, why)
                continue
            if on_first is not None:
                on_first(stored)
                on_first = None
            letters.append(stored)
            last = run.sent + len(letters) == choice.limit
            if last or len(letters) >= _BATCH_LETTERS or _bytes(letters) >= _BATCH_BYTES:
                run.send(letters)
                letters = []
            if run.sent == choice.limit:
                break
        run.send(letters)
        return Replayed(run.sent, earlier, run.unsendable)


class _Run:
    """The transactions of one run."""

    def __init__(
        self, settings: Settings, kafka: KafkaSettings, topic: str, on_unsendable: Callable[[str], None]
    ) -> None:
        self.sent = 0
        self.unsendable = 0
        self._settings = settings
        self._kafka = kafka
        self._topic = topic
        self._on_unsendable = on_unsendable
        self._settled = Settled()
        self._producer = self._open()

    def _open(self) -> KafkaProducer:
        """Start a producer, which aborts the transaction of the previous one and fences another run; read on."""
        # Compressed, because a record that its producer had compressed may be larger than its topic takes.
        arguments = connection(self._kafka) | {"compression_type": "gzip", "max_request_size": _MAX_REQUEST_BYTES}
        name = f"{self._settings.app_id}-dlq-replay"
        producer = KafkaProducer(**arguments, acks="all", transactional_id=name)
        producer.init_transactions()
        # Only now is each letter of another run either settled or not.
        topic_reader.read_settlements(self._settings, self._kafka, self._topic, self._settled)
        return producer

    def close(self) -> None:
        """Close the producer; what it has not committed is aborted by the next one."""
        self._producer.close()

    def is_settled(self, stored: StoredLetter) -> bool:
        """Return whether a letter has been sent again."""
        return (stored.partition, stored.offset) in self._settled

    def report(self, stored: StoredLetter, why: str) -> None:
        """Count a letter that cannot be sent."""
        self.unsendable += 1
        self._on_unsendable(f"the letter of {stored.letter.place} cannot be sent: {why}")

    def send(self, letters: list[StoredLetter]) -> None:
        """Send letters in one transaction; if Kafka refuses a record, in two of half the size."""
        if not letters:
            return
        sent: list[Any] = []
        self._producer.begin_transaction()
        try:
            self._send_records(letters, sent)
            for future in sent:
                future.get(_ACK_SECONDS)
        except errors.KafkaError as error:
            # After a refusal the producer takes no other record, with an error that does not name the refusal.
            refusal = next((each.exception for each in sent if each.failed()), error)
            if not isinstance(refusal, _REFUSALS):
                raise
            self._without_refused(letters, refusal)
        else:
            self._producer.commit_transaction()
            self.sent += len(letters)

    def _without_refused(self, letters: list[StoredLetter], refusal: Exception) -> None:
        # A new producer, because kafka-python counts the refused batch in the sequence of the next one, which Kafka
        # then refuses.
        self._producer.close()
        self._producer = self._open()
        if len(letters) == 1:
            self.report(letters[0], f"Kafka answers {refusal!r}")
            return
        open_letters = [stored for stored in letters if not self.is_settled(stored)]
        half = len(open_letters) // 2
        self.send(open_letters[:half])
        self.send(open_letters[half:])

    def _send_records(self, letters: list[StoredLetter], sent: list[Any]) -> None:
        for stored in letters:
            letter = stored.letter
            # kafka-python sends a header without content as an empty one.
            headers = [(RawName(name), content or b"") for name, content in letter.headers]
            sent.append(self._producer.send(letter.topic, value=letter.value, key=letter.key, headers=headers))
        topic = self._settings.dead_letter_topic(self._topic)
        for partition, offsets in _by_partition(letters):
            key, value, marks = settlement(partition, offsets)
            sent.append(self._producer.send(topic, value=value, key=key, headers=list(marks), partition=partition))


def _by_partition(letters: Iterable[StoredLetter]) -> Iterator[tuple[int, list[int]]]:
    found: dict[int, list[int]] = {}
    for stored in letters:
        found.setdefault(stored.partition, []).append(stored.offset)
    yield from found.items()


def _bytes(letters: Iterable[StoredLetter]) -> int:
    return sum(len(stored.letter.value or b"") + len(stored.letter.key or b"") for stored in letters)


def _unsendable(stored: StoredLetter) -> str | None:
    """Return why a letter cannot be sent, or None."""
    if stored.letter.left_out:
        parts = " and ".join(f"{part} ({left.bytes:,} bytes)" for part, left in stored.letter.left_out.items())
        return f"its {parts} did not fit into it; the original is at the place above while its topic keeps it"
    if stored.letter.key is None and stored.letter.value is None:
        return "it has neither key nor value"  # kafka-python does not send it, and no fix makes it an event
    return None
