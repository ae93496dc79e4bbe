"""The web pages of a process that reads topics in a group: metrics for Prometheus, and probes of its health.

Invariant: no page waits for Kafka. `live` means that the event loop makes progress, `ready` that all tasks run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from faust.web import Request, Response, View

from stream.engine.transport import App

#: The page for Prometheus, and the probes.
METRICS, LIVE, READY = "/metrics", "/health/live", "/health/ready"
#: The age of the last heartbeat from which the event loop counts as stuck.
_STUCK_SECONDS: Final = 30


class Readiness(NamedTuple):
    """Whether a process is ready, whether it is a spare one without tasks, and the state of each task."""

    is_ready: bool
    is_spare: bool
    tasks: Mapping[int, str]


def add_pages(
    app: App,
    exposition: Callable[[str], tuple[bytes, str]],
    beat_age_seconds: Callable[[], float],
    readiness: Callable[[], Readiness],
) -> dict[str, type[Any]]:
    """Serve the pages, and return their views by path.

    Args:
        app: The application.
        exposition: From an Accept header to the metrics and their content type.
        beat_age_seconds: Returns the age of the last heartbeat.
        readiness: Returns the state of the process.
    """

    class MetricsPage(View):  # type: ignore[misc]  # Faust ships no types
        async def get(self, request: Request) -> Response:
            page, content_type = exposition(request.headers.get("Accept", ""))
            return self.bytes(page, headers={"Content-Type": content_type})

    class LivePage(View):  # type: ignore[misc]
        async def get(self, request: Request) -> Response:
            age_seconds = beat_age_seconds()
            alive = age_seconds < _STUCK_SECONDS
            return self.json({"live": alive, "beat_age_seconds": age_seconds}, status=200 if alive else 503)

    class ReadyPage(View):  # type: ignore[misc]
        async def get(self, request: Request) -> Response:
            found = readiness()
            tasks = {str(number): state for number, state in found.tasks.items()}
            body = {"ready": found.is_ready, "spare": found.is_spare, "tasks": tasks}
            return self.json(body, status=200 if found.is_ready else 503)

    views: dict[str, type[Any]] = {METRICS: MetricsPage, LIVE: LivePage, READY: ReadyPage}
    for path, view in views.items():
        app.page(path)(view)
    return views
