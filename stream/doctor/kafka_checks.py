"""What is wrong with Kafka around the records: topics, rights, transactions, the group.

Invariant: it changes nothing. A check that Kafka does not allow says so and ends; it never hides another check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import product
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from stream.config import KafkaSettings, Settings
from stream.doctor.diagnosis import Diagnosis
from stream.doctor.record_checks import waiting_letters
from stream.doctor.samples import sample
from stream.engine.group_offsets import Unread, unread_of
from stream.ops import access_rights, topics
from stream.ops.client import connection
from stream.rights import MissingRightsError, described

#: From this version on, brokers refuse records of a transaction that has ended (KIP-890).
_SAFE_TRANSACTIONS: Final = 2
#: A lag up to this is usual: a second or two of a busy topic.
_USUAL_LAG: Final = 10_000

Check = Callable[[Settings, KafkaSettings], Iterator[Diagnosis]]


def check_topics(sources: Sequence[str], settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Compare the topics with their contract, as `volteface topics check` does."""
    problems = topics.check(settings, kafka, sources)
    for problem in problems:
        yield Diagnosis("topics", "error" if problem.is_error else "warning", problem.topic, problem.text)
    if not problems:
        yield Diagnosis("topics", "ok", "", "all topics are there, with the right configuration.")


def check_rights(settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check the rights of a worker."""
    lacking = access_rights.missing(kafka, access_rights.needed(settings, "worker"))
    for right in lacking:
        yield Diagnosis("rights", "error", right.name, described(kafka, right))
    if not lacking:
        yield Diagnosis("rights", "ok", "", "this user has the rights of a worker.")


def check_transactions(settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check whether the brokers protect transactions from records that come too late."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        _, version = admin.describe_features().get("transaction.version", {}).get("finalized", (0, 0))
    if version >= _SAFE_TRANSACTIONS:
        yield Diagnosis("transactions", "ok", "", f"the brokers protect transactions (transaction.version {version}).")
        return
    yield Diagnosis(
        "transactions",
        "warning",
        "",
        f"the brokers have transaction.version {version}: a record that is delayed by the network can leave a "
        "transaction open for ever, and readers of committed records then stand still (KIP-890).",
        "Use Kafka 4.0 or newer, and run `kafka-features.sh upgrade --feature transaction.version=2`.",
    )


def check_group(settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check whether workers run, and how far they are behind."""
    name = settings.app_id
    members = members_of(kafka, name)
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        counts = {len(topic["partitions"]) for topic in admin.describe_topics(list(settings.input_topics))}
    if not members:
        yield Diagnosis("group", "warning", name, f"group {name} has no member.", "Start `volteface worker`.")
    if len(counts) != 1 or counts == {0}:
        return  # topics are missing or unequal, which another check reports
    unread = asyncio.run(unread_of(kafka, name, product(settings.input_topics, range(counts.pop()))))
    advice = "If the number does not fall, start more workers (docs/performance.md)."
    yield from of_lag("group", name, members, unread.values(), advice)


def members_of(kafka: KafkaSettings, group: str) -> int:
    """Return how many members a group has."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        return len(admin.describe_groups([group])[group].get("members") or ())


def of_lag(check: str, group: str, members: int, unread: Iterable[Unread], advice: str) -> Iterator[Diagnosis]:
    """Say how many records wait for a group: what to do about many, and that few are right if it has members."""
    lag = sum(max(each.end - max(each.committed, each.beginning), 0) for each in unread)
    text = f"group {group} has {members} {'member' if members == 1 else 'members'}; {lag:,} records wait."
    if lag > _USUAL_LAG:
        yield Diagnosis(check, "warning", group, text, advice)
    elif members:
        yield Diagnosis(check, "ok", group, text)


def check_dead_letters(sources: Sequence[str], settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check whether dead letters wait, those of the bridge, too: those that were sent again do not."""
    names = [settings.dead_letter_topic(topic) for topic in (*settings.read_topics, *sources)]
    for found in sample(kafka, names):
        reasons = waiting_letters(found)
        if reasons:
            by_reason = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            yield Diagnosis(
                "dead_letters", "warning", found.topic,
                f"topic {found.topic}: of its latest records {reasons.total():,} are dead letters that were not sent "
                f"again ({by_reason}).",
                "`volteface dlq list` shows each one.",
            )  # fmt: skip


def guarded(name: str, check: Check, settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Yield what a check finds; if Kafka does not allow it, one diagnosis that says so."""
    try:
        yield from check(settings, kafka)
    except MissingRightsError as error:
        yield Diagnosis(name, "error", "", f"the check of {name} is not allowed: {error}")
    except (KafkaError, LookupError) as error:
        text = f"the check of {name} was not possible: {type(error).__name__}: {error}"
        yield Diagnosis(name, "error", "", text, "Mend this first, then run `volteface doctor` again.")
