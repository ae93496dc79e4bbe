"""Pseudonyms: keyed hashes in place of the ids of reviewers and staff members.

Invariant: the same key and id give the same pseudonym in every task and at all times. Without the key, neither the id
nor the key can be derived from a pseudonym. A reviewer and a staff member with the same id have unrelated pseudonyms.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from msgspec.structs import force_setattr

from stream.config import Settings

#: Prefixes of pseudonyms.
REVIEWER: Final = "pr-"
STAFF: Final = "ps-"
is_pseudonym: Final = re.compile(rf"(?:{REVIEWER}|{STAFF})[0-9a-f]{{32}}").fullmatch
#: Staff ids recur, reviewer ids hardly ever; the cache takes some 3 MB when it is full.
_MAX_CACHED_STAFF: Final = 1 << 14


class Pseudonyms:
    """The pseudonyms of one key.

    Args:
        secret: The key, at most 64 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        # `person` is blake2's own parameter for separate hash families under one key.
        self._reviewers = hashlib.blake2b(key=secret, digest_size=16, person=b"reviewer")
        self._staff = hashlib.blake2b(key=secret, digest_size=16, person=b"staff")
        self.of_staff = lru_cache(maxsize=_MAX_CACHED_STAFF)(self._of_staff)

    def of_reviewer(self, reviewer_id: str) -> str:
        """Return a reviewer's pseudonym."""
        hashed = self._reviewers.copy()
        hashed.update(reviewer_id.encode())
        return REVIEWER + hashed.hexdigest()

    def _of_staff(self, actor_id: str) -> str:
        hashed = self._staff.copy()
        hashed.update(actor_id.encode())
        return STAFF + hashed.hexdigest()

    def apply(self, event: Any) -> None:
        """Replace the ids of an event in place. The event was decoded just now and has no other owner."""
        reviewer_id = getattr(event, "reviewer_id", None)
        if reviewer_id is not None:
            force_setattr(event, "reviewer_id", self.of_reviewer(reviewer_id))
        actor_id = getattr(event, "actor_id", None)
        if actor_id is not None:
            force_setattr(event, "actor_id", self.of_staff(actor_id))


def with_pseudonyms(ids: Iterable[str], settings: Settings) -> set[str]:
    """Return ids; with a pseudonym key, also the pseudonyms that they have as ids of a reviewer and a staff member."""
    found = set(ids)
    pseudonyms = pseudonyms_of(settings)
    if pseudonyms is not None:
        found |= {of(one) for one in tuple(found) for of in (pseudonyms.of_reviewer, pseudonyms.of_staff)}
    return found


def pseudonyms_of(settings: Settings) -> Pseudonyms | None:
    """Return the pseudonyms of the settings' key, or None if ids are kept as they are."""
    secret = settings.pseudonym_secret
    return None if secret is None else Pseudonyms(secret)
