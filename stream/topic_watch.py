"""The worker's check of its topics: before it starts, every few minutes, and when partitions are added.

Invariant: with an error (records would be lost or refused) no worker starts. Topics that change under a running worker
end nothing: each new problem is logged, an error again from time to time, and a metric shows all present ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from kafka.errors import KafkaError

from stream.config import KafkaSettings, Settings
from stream.engine.refusals import MissingTopicError
from stream.ops import topics
from stream.ops.rate_limit import RateLimit
from stream.ops.topics import TopicProblem

log = structlog.get_logger()

#: A check takes 20 ms of CPU in another thread and four requests. What it finds is seldom urgent within minutes.
EVERY_SECONDS: Final = 300
#: How often the numbers of partitions are compared: events of new partitions are not read.
COUNTS_SECONDS: Final = 30
#: An error that stays is logged at most once in this time.
_REPEAT_SECONDS: Final = 600


class TopicWatch:
    """Checks the topics of one worker.

    Args:
        settings, kafka: All settings.
        report: Receives all present problems after each check.
    """

    def __init__(
        self, settings: Settings, kafka: KafkaSettings, report: Callable[[Sequence[TopicProblem]], None]
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._report = report
        self._known: list[TopicProblem] = []
        self._counts: Mapping[str, int] = {}
        self._repeats = RateLimit(_REPEAT_SECONDS)
        self._unknown = RateLimit()

    def start(self) -> None:
        """Check the topics before the worker starts; log the warnings.

        Raises:
            TopicsError: At least one problem is an error.
        """
        problems = topics.check(self._settings, self._kafka)
        topics.refuse_errors(problems)
        self._take(problems)

    async def compare(self, counts: Mapping[str, int]) -> None:
        """Check the topics at once if their numbers of partitions have changed.

        Args:
            counts: The present numbers by topic; none if they are unknown.
        """
        if counts and counts != self._counts and await self.check():
            self._counts = counts

    async def report_unknown(self, names: Sequence[str]) -> bool:
        """Write once a minute of which topics an assignment knows no partitions; return whether it was written."""
        if not self._unknown.is_due(" ".join(names)):
            return False
        log.warning(
            "partitions_unknown",
            topics=names,
            reason="Kafka knows no partitions of these topics: they are missing, or Kafka has just started. The tasks "
            "wait, and the worker asks again each second",
        )
        await self.check()
        return True

    def report_missing(self, partition: int, error: MissingTopicError) -> None:
        """Write once a minute that a task cannot go on without a topic."""
        if self._unknown.is_due(str(error)):
            log.error("topic_missing", partition=partition, topic=error.topic, error=str(error))

    async def check(self) -> bool:
        """Check the topics of a running worker; log what has changed. Return whether Kafka has answered."""
        try:
            problems = await asyncio.to_thread(topics.check, self._settings, self._kafka)
        except (KafkaError, OSError) as error:
            # Nothing is known, so the metric keeps what the last check found.
            log.warning("topics_not_checked", error=f"{type(error).__name__}: {error}")
            return False
        self._take(problems)
        return True

    def _take(self, problems: list[TopicProblem]) -> None:
        for problem in problems:
            due = problem.is_error and self._repeats.is_due(problem.text)
            if due or problem not in self._known:
                write = log.error if problem.is_error else log.warning
                write("topic_problem", topic=problem.topic, problem=problem.text)
        for problem in self._known:
            if problem not in problems:
                log.info("topic_problem_solved", topic=problem.topic, problem=problem.text)
        self._known = problems
        self._report(problems)
