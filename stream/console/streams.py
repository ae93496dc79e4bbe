"""What programs read: server-sent events, health and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from stream.console.change_stream import TooManyPagesError
from stream.console.services import Services


class Streams:
    """Answers programs.

    Args:
        services: What the console consists of.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def live(self, _: Request) -> Response:
        """Stream what has changed."""
        stream = self._services.live.stream()
        try:
            first = await anext(stream)
        except TooManyPagesError:
            return PlainTextResponse("too many pages are open", 503)

        async def events() -> AsyncIterator[str]:
            yield first
            async for each in stream:
                yield each

        return StreamingResponse(
            events(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )

    async def alive(self, _: Request) -> Response:
        """Say that the event loop makes progress."""
        return JSONResponse({"alive": True})

    async def ready(self, _: Request) -> Response:
        """Say whether the cases are up to date."""
        problem = self._services.source.problem
        return JSONResponse({"ready": problem is None, "problem": problem}, 200 if problem is None else 503)

    async def metrics(self, request: Request) -> Response:
        """Return the metrics, as text or as OpenMetrics."""
        accept = request.headers.get("accept", "")
        page, content_type = await run_in_threadpool(self._services.metrics.exposition, accept)
        return Response(page, media_type=content_type)
