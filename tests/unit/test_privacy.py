"""Pseudonyms and erasure: what is kept names nobody, and who is to be forgotten is, while all that counts stays."""

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
from stream.core import codec
from stream.core.reports import SIGNATURE, Forget, encode
from stream.core.reviews import FORGOTTEN
from stream.core.rows import ReviewRow
from stream.engine.task import EVIDENCE, POSITION, Task
from stream.events import ContactAccessed, ReviewDeleted
from stream.intake.decode import Intake
from stream.intake.pseudonyms import Pseudonyms, is_pseudonym, pseudonyms_of
from stream.intake.refusal import Refused
from stream.market import simulate
from tests.unit.test_task import Book, Fetched

KEY = "correct horse battery"


def keyed(key: str = KEY) -> Settings:
    return Settings(pseudonym_key=SecretStr(key))


def _pseudonyms(key: str = KEY) -> Pseudonyms:
    made = pseudonyms_of(keyed(key))
    assert made
    return made


def _deletion(**fields: str) -> bytes:
    about = {"type": "review.deleted", "event_id": "e", "occurred_at": "2025-01-01T00:00:00Z", "deleted_by": "platform"}
    ids = {"seller_id": "s", "review_id": "r", "product_id": "p", "reviewer_id": "jane", "actor_id": "jane"}
    return msgspec.json.encode(about | ids | fields)


def test_a_pseudonym_depends_on_key_id_and_role_and_on_nothing_else() -> None:
    one, again, other = _pseudonyms(), _pseudonyms(), _pseudonyms(KEY + "!")
    made = [one.of_reviewer("jane"), one.of_staff("jane"), one.of_reviewer("joe"), other.of_reviewer("jane")]
    assert len(set(made)) == 4
    assert all(is_pseudonym(each) for each in made)
    assert [again.of_reviewer("jane"), again.of_staff("jane")] == made[:2]
    long = "k" * 500
    assert _pseudonyms(long).of_reviewer("jane") != _pseudonyms(long + "!").of_reviewer("jane")


def test_intake_replaces_both_ids_after_its_checks() -> None:
    intake, made = Intake(keyed(), 1), _pseudonyms()
    _, event = intake.decode(0, 0, b"s", _deletion(), time.time())
    assert isinstance(event, ReviewDeleted)
    assert (event.reviewer_id, event.actor_id) == (made.of_reviewer("jane"), made.of_staff("jane"))
    assert (event.seller_id, event.review_id, event.product_id, event.event_id) == ("s", "r", "p", "e")
    _, slowly = intake.decode(0, 0, b"s", _deletion(reviewer_id="joé", colour="red"), time.time())
    assert isinstance(slowly, ReviewDeleted)
    assert slowly.reviewer_id == made.of_reviewer("joé")
    access = (
        _deletion(type="contact.accessed").replace(b'"deleted_by":"platform",', b"").replace(b',"product_id":"p"', b"")
    )
    _, looked_up = intake.decode(2, 0, b"s", access, time.time())
    assert isinstance(looked_up, ContactAccessed)
    assert (looked_up.reviewer_id, looked_up.actor_id) == (event.reviewer_id, event.actor_id)
    with pytest.raises(Refused, match="personal_data"):
        intake.decode(0, 0, b"s", _deletion(reviewer_id="jane@example.com"), time.time())


def test_without_a_key_ids_stay() -> None:
    _, event = Intake(Settings(), 1).decode(0, 0, b"s", _deletion(), time.time())
    assert isinstance(event, ReviewDeleted)
    assert (event.reviewer_id, event.actor_id) == ("jane", "jane")


def test_a_changed_key_is_noticed_and_not_told() -> None:
    chosen = [Settings(), keyed(), keyed(KEY + "!")]
    assert len({each.config_digest for each in chosen}) == len({each.pseudonym_fingerprint for each in chosen}) == 3
    assert keyed().config_digest == keyed().config_digest
    for each in chosen[1:]:
        each.input_topics  # noqa: B018  # what is worked out once is part of the object from then on
        assert KEY not in repr(each) + str(each) + str(each.model_dump()) + each.config_digest


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
    code, told = _command("settings", key=KEY)
    assert code == 0
    assert "VOLTEFACE_PSEUDONYM_KEY" in told
    assert "(hidden)" in told
    assert KEY not in told
    bad = {"fifteen letters": "it has fewer than 16 characters", os.fsdecode(KEY.encode() + b"\xff"): "it is not UTF-8"}
    for key, why in bad.items():
        said = f"SettingsError: VOLTEFACE_PSEUDONYM_KEY=(hidden) cannot be used: Value error, {why}\n"
        assert _command("settings", key=key) == (2, said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("unmask", "pr-" + "0" * 32), "Missing option '--reason'"),
        (("unmask", "pr-" + "0" * 32, "--reason", " "), "--reason says nothing"),
        (("unmask", "jane", "--reason", "case 7"), "'jane' is no pseudonym"),
    ],
)
def test_unmask_wants_pseudonyms_and_a_reason(arguments: tuple[str, ...], said: str) -> None:
    code, told = _command(*arguments, key=KEY)
    assert code == 2
    assert said in told


class Lived(msgspec.Struct):
    """A task with open reviews, what it has committed, and the reviewer who is to be forgotten."""

    task: Task
    book: Book
    reviewer_id: str

    async def tell(self, told: Forget, app_id: str) -> None:
        headers = ((SIGNATURE, app_id.encode()),)
        self.book.evidence.append(Fetched(len(self.book.evidence), None, encode(told), headers))
        self.task.take(EVIDENCE, self.book.told())
        self.task.step(lambda _: True, 10)
        await self.task.checkpoint(lambda alert: alert)

    def rows(self) -> dict[bytes, bytes]:
        """All but where the task stands, which the record itself has changed."""
        return {key: value for key, value in self.book.rows.items() if value is not None and key != POSITION}

    def authors(self) -> dict[bytes, str]:
        return {
            key: codec.decode(value, ReviewRow).reviewer_id
            for key, value in self.rows().items()
            if key[:2] == codec.REVIEW
        }


async def _lived() -> Lived:
    settings, book = Settings(), Book()
    task = Task(0, settings, Intake(settings, 1), book, time.time)
    await task.restore()
    events, _ = simulate.market("bribes", 1, 6, 60)
    streams: list[list[Fetched]] = [[], [], []]
    for event in events:
        stream = ("review", "outreach", "contact").index(event["type"].split(".")[0])
        streams[stream].append(Fetched(len(streams[stream]), event["seller_id"].encode(), msgspec.json.encode(event)))
    for stream, records in enumerate(streams):
        task.take(stream, records)
    while task.step(lambda _: True, 10**9) or task.held or book.told():
        await task.checkpoint(lambda alert: alert)
        if told := book.told():
            task.take(EVIDENCE, told)
    await task.checkpoint(lambda alert: alert)
    return Lived(task, book, min(review.reviewer_id for review in task.detector.reviews.values()))


async def _restored(book: Book) -> Task:
    settings = Settings()
    task = Task(0, settings, Intake(settings, 1), book, time.time)
    await task.restore()
    return task


def test_after_a_forget_no_row_holds_the_id_and_all_that_counts_is_as_it_was() -> None:
    async def forget() -> None:
        lived = await _lived()
        gone, before, authors = lived.reviewer_id, lived.rows(), lived.authors()
        assert gone in authors.values()
        await lived.tell(Forget(reviewer_id=gone), "another-application")
        assert lived.rows() == before
        await lived.tell(Forget(reviewer_id=gone), Settings().app_id)
        after, named = lived.rows(), codec.encode(gone)
        assert not any(named in value or gone.encode() in key for key, value in after.items())
        assert lived.authors() == {key: FORGOTTEN if who == gone else who for key, who in authors.items()}
        changed = {key for key in after if after[key] != before.get(key)}
        assert after.keys() == before.keys()
        assert changed == {key for key, who in authors.items() if who == gone}
        for key in changed:  # and of these rows nothing but the id
            was, now = (codec.decode(rows[key], ReviewRow) for rows in (before, after))
            assert msgspec.structs.replace(was, reviewer_id=FORGOTTEN) == now
        again = await _restored(lived.book)
        assert again.detector.digest() == lived.task.detector.digest()
        assert gone not in {review.reviewer_id for review in again.detector.reviews.values()}

    asyncio.run(forget())


def _outreach(task: Task, reviewer_id: str) -> list[str]:
    """The reviews that were touched by outreach that names only a reviewer, at all sellers."""
    source, soon = task.merge.streams[1], dt.datetime.fromtimestamp(task.detector.clock + 60, dt.UTC).isoformat()
    before = {name: review.contacted_at for name, review in task.detector.reviews.items()}
    for seller_id in sorted({review.seller.seller_id for review in task.detector.reviews.values()}):
        event = {
            "type": "outreach.sent", "event_id": f"{reviewer_id}-{seller_id}", "occurred_at": soon,
            "seller_id": seller_id, "reviewer_id": reviewer_id, "channel": "message",
        }  # fmt: skip
        task.take(1, [Fetched(source.next_offset + source.waiting, seller_id.encode(), msgspec.json.encode(event))])
    task.step(lambda _: True, 10**6)
    return [name for name, review in task.detector.reviews.items() if review.contacted_at != before.get(name)]


def test_outreach_that_names_only_a_reviewer_meets_no_forgotten_one() -> None:
    async def forget(name: str, restart: bool) -> list[str]:
        lived = await _lived()
        await lived.tell(Forget(reviewer_id=lived.reviewer_id), Settings().app_id)
        task = await _restored(lived.book) if restart else lived.task
        return _outreach(task, lived.reviewer_id if name == "itself" else name)

    async def without() -> list[str]:
        lived = await _lived()
        return _outreach(lived.task, lived.reviewer_id)

    assert asyncio.run(without())  # it would have met one
    for restart in (False, True):
        for name in ("itself", "forgotten", FORGOTTEN):
            assert asyncio.run(forget(name, restart)) == []


def test_what_stands_for_the_forgotten_can_be_no_id() -> None:
    with pytest.raises(Refused, match="reviewer_id holds white space"):
        Intake(Settings(), 1).decode(0, 0, b"s", _deletion(reviewer_id=FORGOTTEN), time.time())
