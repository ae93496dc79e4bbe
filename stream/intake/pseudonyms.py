"""Pseudonyms: keyed hashes in the place of the ids of reviewers and staff, so that what is kept names nobody.

Rule of this room: the same key and id give the same pseudonym, in every task and at all times; without the key neither
can be told from the other. A reviewer and a member of staff of one id have nothing in common.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any, Final

from msgspec.structs import force_setattr

from stream.config import Settings

#: What a pseudonym begins with, and so whose it is.
REVIEWER: Final = "pr-"
STAFF: Final = "ps-"
is_pseudonym: Final = re.compile(rf"(?:{REVIEWER}|{STAFF})[0-9a-f]{{32}}").fullmatch
#: Staff come again and again, reviewers hardly ever: some 3 MB when full.
_STAFF_KEPT: Final = 1 << 14


class Pseudonyms:
    """Those of one key."""

    def __init__(self, secret: bytes) -> None:
        # `person` is blake2's own parameter for what must never meet though the key is the same.
        self._reviewers = hashlib.blake2b(key=secret, digest_size=16, person=b"reviewer")
        self._staff = hashlib.blake2b(key=secret, digest_size=16, person=b"staff")
        self.of_staff = lru_cache(maxsize=_STAFF_KEPT)(self._of_staff)

    def of_reviewer(self, reviewer_id: str) -> str:
        """A reviewer's."""
        hashed = self._reviewers.copy()
        hashed.update(reviewer_id.encode())
        return REVIEWER + hashed.hexdigest()

    def _of_staff(self, actor_id: str) -> str:
        hashed = self._staff.copy()
        hashed.update(actor_id.encode())
        return STAFF + hashed.hexdigest()

    def put_on(self, event: Any) -> None:
        """Replace the ids of an event, in place: it was read a moment ago, and nobody else has seen it."""
        force_setattr(event, "reviewer_id", self.of_reviewer(event.reviewer_id))
        actor_id = getattr(event, "actor_id", None)
        if actor_id is not None:
            force_setattr(event, "actor_id", self.of_staff(actor_id))


def pseudonyms_of(settings: Settings) -> Pseudonyms | None:
    """The settings' pseudonyms; None where ids are kept as they are."""
    secret = settings.pseudonym_secret
    return None if secret is None else Pseudonyms(secret)
