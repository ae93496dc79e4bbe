"""librdkafka's Python client around the core: no group, no stored state, no output."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition

from tests.bench.peers.core import GROUP, PARTITIONS, SERVERS, TOPICS, Core, ProgressCounter


def main() -> None:
    """Run until the process is killed."""
    consumer = Consumer(
        {"bootstrap.servers": SERVERS, "group.id": GROUP, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    )
    consumer.assign([TopicPartition(topic, number, 0) for topic in TOPICS for number in range(PARTITIONS)])
    core, counter = Core(), ProgressCounter()
    while True:
        messages = consumer.consume(5000, timeout=0.2)
        for message in messages:
            core.apply(message.topic(), message.partition(), message.key(), message.value())
        counter.add(len(messages))


if __name__ == "__main__":
    main()
