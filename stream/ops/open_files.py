"""The limit of open files: each connection to Kafka needs one, and each task has connections of its own.

Invariant: a worker starts with as many as the system gives it, or not at all if these are too few. A client that cannot
open a connection tries again at once and without end.
"""

from __future__ import annotations

import resource
from typing import Final

from stream.config import SettingsError

#: A worker with four tasks and three brokers uses about 80.
_LEAST: Final = 256
#: More would be of no use, and some systems have no limit that can be set.
_MOST: Final = 65_536


def raise_limit() -> None:
    """Raise this process's limit as far as the system allows.

    Raises:
        SettingsError: The limit is too low for a worker.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if most < _LEAST:
        raise SettingsError(
            f"the limit of open files is {most}: a worker needs at least {_LEAST}, and about 10 more for each task. "
            "Raise it with `ulimit -n`, or LimitNOFILE= of systemd"
        )
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
