"""The input topics of a round: what was sent to them, by offset, and what of it the state must have processed.

Invariant: one producer sends to a partition, without transactions, so a record's offset is its number among the lines.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from stream.config import Settings
from stream.contract.events import STREAMS, AnyEvent
from stream.intake.header_names import RawName
from stream.intake.partition import partition_of
from stream.market.truth import read_truth
from stream.ops.client import connection
from stream.ops.event_files import head, stream_of
from tests.kafka.group import PARTITIONS, Group
from tests.market_verdicts import ConcludingTasks, among, case_events

_decode: Final = msgspec.json.Decoder(AnyEvent).decode
CODECS: Final = (None, "gzip", "snappy", "lz4", "zstd")
#: One record in this many has odd headers, and one line in this many is garbage that makes a large dead letter.
_ODD_HEADERS_EVERY: Final = 50
_GARBAGE_EVERY: Final = 400
_GARBAGE_BYTES: Final = 20_000
_HEADERS: Final = (
    [("trace", b"t" * 9000)],
    [(RawName("\udcff\udcfe"), b"\x00\xff"), ("", b"no name")],
    [("twice", b"1"), ("twice", b"2"), ("__streams.errors.offset", b"7")],
)


def with_garbage(lines: Iterable[bytes], chance: Random) -> list[bytes]:
    """Return the lines with events of an unknown type among them."""
    found: list[bytes] = []
    for line in lines:
        found.append(line)
        if chance.randrange(_GARBAGE_EVERY) == 0:
            padding = "x" * chance.randrange(_GARBAGE_BYTES)
            event = {"type": "review.burned", "seller_id": head(line).key, "padding": padding}
            found.append(json.dumps(event).encode())
    return found


def with_verdicts(lines: list[bytes], truth: Path, settings: Settings, chance: Random, disorder: bool) -> list[bytes]:
    """Return a market with what analysts send about its cases.

    Args:
        lines: The market's events in order of arrival.
        truth: The file that names the cheats.
        settings: Of the workers.
        chance: Chooses what analysts send.
        disorder: Whether some verdicts come after a later one of the same case.
    """
    tasks = ConcludingTasks(settings.alert_budget, settings.config_digest, PARTITIONS)
    cheats = {cheat.actor_id or cheat.seller_id for cheat in read_truth(truth.read_bytes()).cheats}
    sent = case_events([_decode(line) for line in lines], tasks, cheats, chance, disorder)
    return among(lines, _time, [(at, msgspec.json.encode(event)) for at, event in sent])


def _time(line: bytes) -> dt.datetime:
    return dt.datetime.fromisoformat(head(line).occurred_at or "")


class RoundInputs:
    """Sends lines and remembers them.

    Args:
        group: The group whose topics are fed.
        chance: Chooses codecs and headers.
        odd_headers: Whether some records have odd headers.
        draw_codec: Returns the codec of the next producer.
    """

    def __init__(self, group: Group, chance: Random, odd_headers: bool, draw_codec: Callable[[], str | None]) -> None:
        self._group = group
        self._chance = chance
        self._odd_headers = odd_headers
        self._draw_codec = draw_codec
        #: By stream and partition, what was sent since the topic was created.
        self._sent: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)

    def send(self, lines: Iterable[bytes]) -> None:
        """Send lines as the producers of a platform do, each stream with a producer of its own."""
        by_stream: defaultdict[int, list[bytes]] = defaultdict(list)
        for line in lines:
            by_stream[stream_of(head(line).type)].append(line)
        for stream, found in sorted(by_stream.items()):
            options = connection(self._group.kafka) | {"compression_type": self._draw_codec(), "linger_ms": 20}
            with closing(KafkaProducer(**options)) as producer:
                for line in found:
                    self._send(producer, stream, line)
                producer.flush()
        self._check_ends()

    def _send(self, producer: KafkaProducer, stream: int, line: bytes) -> None:
        key = head(line).key
        assert key is not None
        number = partition_of(key, PARTITIONS)
        odd = self._odd_headers and self._chance.randrange(_ODD_HEADERS_EVERY) == 0
        headers = self._chance.choice(_HEADERS) if odd else []
        topic = self._group.settings.input_topics[stream]
        producer.send(topic, value=line, key=key.encode(), partition=number, headers=headers)
        self._sent[stream, number].append(line)

    def _check_ends(self) -> None:
        for (stream, number), lines in self._sent.items():
            tp = TopicPartition(self._group.settings.input_topics[stream], number)
            with closing(KafkaConsumer(**connection(self._group.kafka))) as consumer:
                assert consumer.end_offsets([tp])[tp] == len(lines), f"{tp} has other records than were sent to it"

    def created_again(self, stream: int, share: float) -> None:
        """Forget a stream, and send the last share of its lines again."""
        former = [self._sent.pop((stream, number), []) for number in range(PARTITIONS)]
        self.send(line for lines in former for line in lines[round(len(lines) * (1 - share)) :])

    def count(self, stream: int, number: int) -> int:
        """Return the number of records in a partition, those that have expired included."""
        return len(self._sent[stream, number])

    def write_processed(self, lost: set[tuple[str, int, int]], file: Path) -> int:
        """Write the lines that the state must have processed; return how many were lost.

        Args:
            lost: Topic, partition and offset of each record that has expired unread.
            file: Where to write, in an order in which a replay reads each partition as a worker does.
        """
        missing = 0
        with file.open("wb") as out:
            for stream in range(len(STREAMS)):
                topic = self._group.settings.input_topics[stream]
                for number in range(PARTITIONS):
                    for offset, line in enumerate(self._sent[stream, number]):
                        if (topic, number, offset) in lost:
                            missing += 1
                        else:
                            out.write(line + b"\n")
        return missing
