"""Rows of *Operations* about worker processes: availability, connection to Kafka, restores and resources.

Invariant: a panel has one line for each worker, except for the states of tasks, restore times and garbage collections.
"""

from __future__ import annotations

from typing import Final

from panels import Row, graph, rate, worker, yes_no

#: Other programs expose metrics with these names, too.
_JOB: Final = 'job="volteface"'

_KAFKA: Final[Row] = (
    "Workers, Kafka and restores",
    [
        yes_no(
            "Workers up, and connected to Kafka",
            "A worker without Kafka waits, and resumes when Kafka is back. Tasks of a lost worker move to the others.",
            {
                "{{instance}} is up": worker("up", _JOB),
                "{{instance}} reaches Kafka": worker("volteface_kafka_reachable"),
            },
            runbooks=["VoltefaceWorkerDown", "VoltefaceNoWorker", "VoltefaceKafkaUnreachable"],
        ),
        graph(
            "Tasks, by state",
            "A task is new, then restores its state, then runs. A dropped task failed, and waits for its next"
            " assignment. Tasks of which another consumer under the group id has partitions do not run.",
            "short",
            {
                "{{state}}": f"sum by (state) ({worker('volteface_tasks')})",
                "with a consumer that is no worker": f"max({worker('volteface_foreign_tasks')})",
            },
            stacked=True,
            runbooks=["VoltefaceRestoreTooLong", "VoltefaceNotReady"],
        ),
        graph(
            "Time of a restore",
            "All restores since the workers started: restores are too few for a rate. The histogram ends at 30 s.",
            "s",
            {
                f"p{100 * share:g}": f"histogram_quantile({share}, sum by (le)"
                f" ({worker('volteface_restore_seconds_bucket')}))"
                for share in (0.5, 0.99)
            },
            limits={30: "orange"},
            runbooks=["VoltefaceRestoreTooLong"],
        ),
        graph(
            "Rows restored, by worker",
            "Rows read from the state topic since the worker started. A step is the restore of one task. A line that"
            " keeps rising means a long restore, or repeated restores.",
            "short",
            {"{{instance}}": f"sum by (instance) ({worker('volteface_restored_rows_total')})"},
            runbooks=["VoltefaceRestoreTooLong"],
        ),
    ],
)

_RESOURCES: Final[Row] = (
    "Resources",
    [
        graph(
            "Processor time, by worker",
            "100 % is one core, the most that a worker can use. At 100 % add workers, up to one for each partition.",
            "percentunit",
            {"{{instance}}": rate("instance", worker("process_cpu_seconds_total", _JOB))},
            limits={0.9: "orange"},
            runbooks=["VoltefaceLagGrows"],
        ),
        graph(
            "Memory, by worker",
            "Resident memory. It grows with the open critical reviews, sellers and products in the state.",
            "bytes",
            {"{{instance}}": worker("process_resident_memory_bytes", _JOB)},
        ),
        graph(
            "Open files and sockets, by worker",
            "Mainly connections to Kafka. A line that keeps rising is a leak.",
            "short",
            {"{{instance}}": worker("process_open_fds", _JOB)},
        ),
        graph(
            "Garbage collections, by generation",
            "The collector runs seldom, because the state has no cycles. Many collections a second cost CPU time.",
            "ops",
            {"generation {{generation}}": rate("generation", worker("python_gc_collections_total", _JOB))},
        ),
        graph(
            "Samples a scrape, by worker",
            "About 100 samples for each task, for any number of sellers. Above 20,000 Prometheus refuses the scrape.",
            "short",
            {"{{instance}}": worker("scrape_samples_scraped", _JOB)},
            limits={10_000: "red"},
            runbooks=["VoltefaceSeriesLimit"],
        ),
    ],
)

ROWS: Final = (_KAFKA, _RESOURCES)
