"""Pseudonyms and erasure: no stored row has an original id; an erasure changes only the reviewer's id."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from stream.config import Settings
from stream.contract.events import ContactAccessed, ReviewDeleted, SellerLinked
from stream.core.messages.wire import APP_ID_HEADER, Forget, encode_message
from stream.core.model.encoding import decode, encode
from stream.core.state import codec
from stream.core.state.rows import ReviewRow
from stream.core.subjects.reviews import FORGOTTEN_REVIEWER
from stream.engine.checkpoint import POSITION
from stream.engine.task import EVIDENCE, Task
from stream.intake.intake import Intake
from stream.intake.pseudonyms import Pseudonyms, is_pseudonym, pseudonyms_of
from stream.intake.refusal import Refused
from stream.market import simulate
from tests.unit.engine.doubles import FetchedRecord, InMemoryCheckpointStore

KEY = "correct horse battery"


def keyed(key: str = KEY) -> Settings:
    return Settings(pseudonym_key=SecretStr(key))


def _pseudonyms(key: str = KEY) -> Pseudonyms:
    pseudonyms = pseudonyms_of(keyed(key))
    assert pseudonyms
    return pseudonyms


def _deletion(**fields: str) -> bytes:
    common = {
        "type": "review.deleted",
        "event_id": "e",
        "occurred_at": "2025-01-01T00:00:00Z",
        "deleted_by": "platform",
    }
    ids = {"seller_id": "s", "review_id": "r", "product_id": "p", "reviewer_id": "jane", "actor_id": "jane"}
    return msgspec.json.encode(common | ids | fields)


def test_a_pseudonym_depends_only_on_key_id_and_role() -> None:
    first, same_key, other_key = _pseudonyms(), _pseudonyms(), _pseudonyms(KEY + "!")
    found = [first.of_reviewer("jane"), first.of_staff("jane"), first.of_reviewer("joe"), other_key.of_reviewer("jane")]
    assert len(set(found)) == 4
    assert all(is_pseudonym(name) for name in found)
    assert [same_key.of_reviewer("jane"), same_key.of_staff("jane")] == found[:2]
    long = "k" * 500
    assert _pseudonyms(long).of_reviewer("jane") != _pseudonyms(long + "!").of_reviewer("jane")


def test_intake_replaces_both_ids_after_its_checks() -> None:
    intake, pseudonyms = Intake(keyed(), 1), _pseudonyms()
    _, event = intake.decode(0, 0, b"s", _deletion(), time.time())
    assert isinstance(event, ReviewDeleted)
    assert (event.reviewer_id, event.actor_id) == (pseudonyms.of_reviewer("jane"), pseudonyms.of_staff("jane"))
    assert (event.seller_id, event.review_id, event.product_id, event.event_id) == ("s", "r", "p", "e")
    _, other = intake.decode(0, 0, b"s", _deletion(reviewer_id="joé", colour="red"), time.time())
    assert isinstance(other, ReviewDeleted)
    assert other.reviewer_id == pseudonyms.of_reviewer("joé")
    access = (
        _deletion(type="contact.accessed").replace(b'"deleted_by":"platform",', b"").replace(b',"product_id":"p"', b"")
    )
    _, looked_up = intake.decode(2, 0, b"s", access, time.time())
    assert isinstance(looked_up, ContactAccessed)
    assert (looked_up.reviewer_id, looked_up.actor_id) == (event.reviewer_id, event.actor_id)
    with pytest.raises(Refused, match="personal_data"):
        intake.decode(0, 0, b"s", _deletion(reviewer_id="jane@example.com"), time.time())


def test_a_link_is_kept_as_it_is_because_it_names_no_reviewer_and_no_staff() -> None:
    fields = {"type": "seller.linked", "event_id": "e", "occurred_at": "2025-01-01T00:00:00Z", "seller_id": "s"}
    line = msgspec.json.encode(fields | {"link_id": "l-1", "relation": "owner"})
    _, event = Intake(keyed(), 1).decode(0, 0, b"s", line, time.time())
    assert isinstance(event, SellerLinked)
    assert (event.seller_id, event.link_id, event.relation) == ("s", "l-1", "owner")


def test_without_a_key_ids_are_unchanged() -> None:
    _, event = Intake(Settings(), 1).decode(0, 0, b"s", _deletion(), time.time())
    assert isinstance(event, ReviewDeleted)
    assert (event.reviewer_id, event.actor_id) == ("jane", "jane")


def test_reviewers_are_watched_only_by_pseudonym_or_with_leave() -> None:
    key = SecretStr(KEY)
    watched = [
        (watch, has_key)
        for watch in ("off", "pseudonyms", "ids")
        for has_key in (False, True)
        if Settings(reviewer_watch=watch, pseudonym_key=key if has_key else None).watches_reviewers
    ]
    assert watched == [("pseudonyms", True), ("ids", False), ("ids", True)]
    assert Settings().config_digest != Settings(reviewer_watch="ids").config_digest


def test_a_changed_key_changes_the_fingerprint_and_is_not_shown() -> None:
    variants = [Settings(), keyed(), keyed(KEY + "!")]
    assert len({variant.config_digest for variant in variants}) == 3
    assert len({variant.pseudonym_fingerprint for variant in variants}) == 3
    assert keyed().config_digest == keyed().config_digest
    for variant in variants[1:]:
        variant.input_topics  # noqa: B018  # a cached property becomes a part of the object
        assert KEY not in repr(variant) + str(variant) + str(variant.model_dump()) + variant.config_digest


def _command(*arguments: str, key: str) -> tuple[int, str]:
    environment = os.environ | {
        "COLUMNS": "1000",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "VOLTEFACE_PSEUDONYM_KEY": key,
    }
    command = [sys.executable, "-m", "stream.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_key_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = _command("settings", key=KEY)
    assert code == 0
    assert "VOLTEFACE_PSEUDONYM_KEY" in output
    assert "(hidden)" in output
    assert KEY not in output
    bad = {"fifteen letters": "it has fewer than 16 characters", os.fsdecode(KEY.encode() + b"\xff"): "it is not UTF-8"}
    for key, reason in bad.items():
        message = f"SettingsError: VOLTEFACE_PSEUDONYM_KEY=(hidden) cannot be used: {reason}\n"
        assert _command("settings", key=key) == (2, message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unmask", "pr-" + "0" * 32), "Missing option '--reason'"),
        (("unmask", "pr-" + "0" * 32, "--reason", " "), "--reason is empty"),
        (("unmask", "jane", "--reason", "case 7"), "'jane' is no pseudonym"),
    ],
)
def test_unmask_requires_pseudonyms_and_a_reason(arguments: tuple[str, ...], message: str) -> None:
    code, output = _command(*arguments, key=KEY)
    assert code == 2
    assert message in output


class TaskWithReviews(msgspec.Struct):
    """A task with open reviews, its checkpoint store, and the id of the reviewer to forget."""

    task: Task
    store: InMemoryCheckpointStore
    reviewer_id: str

    async def deliver(self, message: Forget, app_id: str) -> None:
        """Deliver a message of an application to the task, and checkpoint."""
        headers, messages = ((APP_ID_HEADER, app_id.encode()),), self.store.messages
        messages.append(FetchedRecord(len(messages), None, encode_message(message), headers))
        self.task.take(EVIDENCE, self.store.unread_messages())
        self.task.step(lambda _: True, 10)
        await self.task.checkpoint(lambda alert: alert)

    def rows(self) -> dict[bytes, bytes]:
        """Return all rows except the positions, which the message itself changes."""
        return {key: value for key, value in self.store.rows.items() if value is not None and key != POSITION}

    def authors(self) -> dict[bytes, str]:
        return {
            key: decode(value, ReviewRow).reviewer_id for key, value in self.rows().items() if key[:2] == codec.REVIEW
        }


async def _task_with_reviews() -> TaskWithReviews:
    settings, store = Settings(), InMemoryCheckpointStore()
    task = Task(0, settings, Intake(settings, 1), store, time.time)
    await task.restore()
    events, _ = simulate.market("bribes", 1, 6, 60)
    streams: list[list[FetchedRecord]] = [[], [], []]
    for event in events:
        stream = ("review", "outreach", "contact").index(event["type"].split(".")[0])
        key, value = event["seller_id"].encode(), msgspec.json.encode(event)
        streams[stream].append(FetchedRecord(len(streams[stream]), key, value))
    for stream, records in enumerate(streams):
        task.take(stream, records)
    while task.step(lambda _: True, 10**9) or task.blocked or store.unread_messages():
        await task.checkpoint(lambda alert: alert)
        if unread := store.unread_messages():
            task.take(EVIDENCE, unread)
    await task.checkpoint(lambda alert: alert)
    return TaskWithReviews(task, store, min(review.reviewer_id for review in task.detector.state.reviews.values()))


async def _restored(store: InMemoryCheckpointStore) -> Task:
    settings = Settings()
    task = Task(0, settings, Intake(settings, 1), store, time.time)
    await task.restore()
    return task


def test_after_a_forget_no_row_holds_the_id_and_nothing_else_changes() -> None:
    async def forget() -> None:
        run = await _task_with_reviews()
        forgotten, before, authors = run.reviewer_id, run.rows(), run.authors()
        assert forgotten in authors.values()
        await run.deliver(Forget(reviewer_id=forgotten), "another-application")
        assert run.rows() == before
        await run.deliver(Forget(reviewer_id=forgotten), Settings().app_id)
        after, encoded = run.rows(), encode(forgotten)
        assert not any(encoded in value or forgotten.encode() in key for key, value in after.items())
        expected = {key: FORGOTTEN_REVIEWER if author == forgotten else author for key, author in authors.items()}
        assert run.authors() == expected
        changed = {key for key in after if after[key] != before.get(key)}
        assert after.keys() == before.keys()
        assert changed == {key for key, author in authors.items() if author == forgotten}
        for key in changed:  # only the id in these rows
            old, new = (decode(rows[key], ReviewRow) for rows in (before, after))
            assert msgspec.structs.replace(old, reviewer_id=FORGOTTEN_REVIEWER) == new
        restored = await _restored(run.store)
        assert restored.detector.rows.digest() == run.task.detector.rows.digest()
        assert forgotten not in {review.reviewer_id for review in restored.detector.state.reviews.values()}

    asyncio.run(forget())


def _outreach(task: Task, reviewer_id: str) -> list[str]:
    """Apply outreach without a review id for all sellers; return the ids of the contacted reviews."""
    source, at = task.merge.streams[1], dt.datetime.fromtimestamp(task.detector.state.clock + 60, dt.UTC).isoformat()
    before = {name: review.contacted_at for name, review in task.detector.state.reviews.items()}
    for seller_id in sorted({review.seller.seller_id for review in task.detector.state.reviews.values()}):
        event = {
            "type": "outreach.sent", "event_id": f"{reviewer_id}-{seller_id}", "occurred_at": at,
            "seller_id": seller_id, "reviewer_id": reviewer_id, "channel": "message",
        }  # fmt: skip
        offset = source.next_offset + source.waiting
        task.take(1, [FetchedRecord(offset, seller_id.encode(), msgspec.json.encode(event))])
    task.step(lambda _: True, 10**6)
    return [name for name, review in task.detector.state.reviews.items() if review.contacted_at != before.get(name)]


def test_outreach_without_a_review_contacts_no_review_of_a_forgotten_reviewer() -> None:
    async def forget(name: str, restart: bool) -> list[str]:
        run = await _task_with_reviews()
        await run.deliver(Forget(reviewer_id=run.reviewer_id), Settings().app_id)
        task = await _restored(run.store) if restart else run.task
        return _outreach(task, run.reviewer_id if name == "the same" else name)

    async def without() -> list[str]:
        run = await _task_with_reviews()
        return _outreach(run.task, run.reviewer_id)

    assert asyncio.run(without())  # before the erasure the outreach contacts a review
    for restart in (False, True):
        for name in ("the same", "forgotten", FORGOTTEN_REVIEWER):
            assert asyncio.run(forget(name, restart)) == []


def test_the_placeholder_of_a_forgotten_reviewer_is_no_valid_id() -> None:
    with pytest.raises(Refused, match="reviewer_id holds white space"):
        Intake(Settings(), 1).decode(0, 0, b"s", _deletion(reviewer_id=FORGOTTEN_REVIEWER), time.time())
