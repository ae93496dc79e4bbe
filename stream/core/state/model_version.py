"""The model that gives state rows their meaning, as a few short values: rows of another model are refused.

Invariant: each part's name appears in the operator's error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stream import MODEL_VERSION
from stream.core.evidence.watches import SELLER_WATCHES
from stream.core.model.flip_windows import MAX_WINDOWS, N_COLUMNS, N_STAFF_COLUMNS
from stream.core.model.strata import (
    AGE_EDGES,
    CONTACT_AGE_EDGES,
    CONTACT_EDGES,
    CONTACT_SECONDS,
    FOLLOW_UP_SECONDS,
    GROUP_OF,
)
from stream.core.staff.watches import STAFF_WATCHES


def _digest(*values: Any) -> str:
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=4).hexdigest()


_VERSION: Final = "model version"
_KEY: Final = "VOLTEFACE_PSEUDONYM_KEY"
_PARTS: Final = {
    _VERSION: MODEL_VERSION,
    # With the groups of all cells, because a state row names a stratum by its number.
    "bands of reviews": _digest(
        AGE_EDGES, CONTACT_EDGES, CONTACT_AGE_EDGES, CONTACT_SECONDS, FOLLOW_UP_SECONDS, GROUP_OF
    ),
    "watches": _digest(
        [(watch.kind, watch.contrast.exposed, watch.contrast.controls) for watch in SELLER_WATCHES],
        [watch.kind for watch in STAFF_WATCHES],
    ),
    "columns of evidence": f"{N_COLUMNS}/{N_STAFF_COLUMNS}/{MAX_WINDOWS}",
    "rows and messages": "9",
}


def model_of(pseudonyms: str) -> dict[str, str]:
    """Return the model by its parts.

    Args:
        pseudonyms: Fingerprint of the pseudonym key; empty if ids are kept as they are.
    """
    return {**_PARTS, _KEY: pseudonyms}


def difference(written: Mapping[str, str], own: Mapping[str, str]) -> str | None:
    """Describe how the model that wrote the rows differs from this one; None if the models are the same."""
    if not written:
        return "by a version that did not record its model"
    names = sorted(name for name in {*written, *own} if written.get(name) != own.get(name))
    return f"with {' and '.join(_describe(name, written, own) for name in names)}" if names else None


def _describe(name: str, written: Mapping[str, str], own: Mapping[str, str]) -> str:
    if name == _VERSION:
        return f"{name} {written.get(name)} where this one has {own.get(name)}"
    if name == _KEY and not (written.get(name) and own.get(name)):
        return f"{name} set where it is not now" if written.get(name) else f"{name} not set where it is now"
    return f"another {name}" if name == _KEY else f"other {name}"
