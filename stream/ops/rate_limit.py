"""A limit on how often the same message is written."""

from __future__ import annotations

import threading
import time
from typing import Final

_REPEAT_SECONDS: Final = 60


class RateLimit:
    """Lets each message through once in a period.

    Args:
        every_seconds: The period; if it is infinite, messages must be few.
    """

    def __init__(self, every_seconds: float = _REPEAT_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._written_at: dict[str, float] = {}
        self._lock = threading.Lock()  # clients run in threads of their own

    def is_due(self, message: str) -> bool:
        """Return whether a message was not written in the past period, and note that it is written now."""
        now = time.monotonic()
        with self._lock:
            # Forgets the old ones, so that the number of messages is bounded by those of a period.
            self._written_at = {text: at for text, at in self._written_at.items() if now - at < self._every_seconds}
            if message in self._written_at:
                return False
            self._written_at[message] = now
            return True
