"""What gives the rows of state their meaning, as a few short values: rows of another model must not be read.

Rule of this room: a part is named in the words in which an operator is told that it differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stream import MODEL_VERSION
from stream.core.bands import AGE_EDGES, ANSWER_EDGES, ARM_OF, CONTACT_EDGES, FOLLOW_SECONDS, REACH_SECONDS
from stream.core.past import COLUMNS, STAFF_COLUMNS, WINDOWS
from stream.core.watches import SELLER_WATCHES, STAFF_WATCHES


def _digest(*values: Any) -> str:
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=4).hexdigest()


_VERSION: Final = "model version"
_KEY: Final = "VOLTEFACE_PSEUDONYM_KEY"
_PARTS: Final = {
    _VERSION: MODEL_VERSION,
    # By the cells' arms, too: what a band is called in an account follows from its place among all.
    "bands of reviews": _digest(AGE_EDGES, CONTACT_EDGES, ANSWER_EDGES, REACH_SECONDS, FOLLOW_SECONDS, ARM_OF),
    "watches": _digest(
        [(one.kind, one.question.accused, one.question.controls) for one in SELLER_WATCHES], STAFF_WATCHES
    ),
    "columns of evidence": f"{COLUMNS}/{STAFF_COLUMNS}/{WINDOWS}",
}


def model_of(pseudonyms: str) -> dict[str, str]:
    """The model by its parts, for pseudonyms of a key with this fingerprint (empty: ids are kept as they are)."""
    return {**_PARTS, _KEY: pseudonyms}


def difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str | None:
    """What an operator should know where rows were written by another model; None where it is the same."""
    if not theirs:
        return "by a Volteface that did not tell its model"
    names = sorted(name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name))
    return f"with {' and '.join(_told(name, theirs, ours) for name in names)}" if names else None


def _told(name: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    if name == _VERSION:
        return f"{name} {theirs.get(name)} where this one has {ours.get(name)}"
    if name == _KEY and not (theirs.get(name) and ours.get(name)):
        return f"{name} set where it is not now" if theirs.get(name) else f"{name} not set where it is now"
    return f"another {name}" if name == _KEY else f"other {name}"
