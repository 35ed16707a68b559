"""Binds the worker to Spark: what is shipped with each task of a wave, and what a task reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark import Accumulator, AccumulatorParam, TaskContext

from steeldefect.errors import DeviceError, SteelDefectError, error_to_text
from steeldefect.runtimes import RuntimeOptions
from steeldefect.scoring.fetching import Breaker
from steeldefect.scoring.process_models import BundleShipment, models_of_process
from steeldefect.scoring.task_report import Failures, TaskReport, report_to_json
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.stores import S3Settings, open_store
from steeldefect.tables.provenance import Origin

_LOG = logging.getLogger(__name__)

REPORT = pa.schema([("report", pa.string())])

_BREAKERS: dict[str, Breaker] = {}
"""What this process knows of each source."""

TRIES = 2
"""Tries of a task before its pictures are looked at in smaller parts."""


@dataclass(frozen=True)
class Counters:
    """Spark accumulators that show the driver how far the tasks are."""

    done: Accumulator[int]
    failed: Accumulator[int]


class FailuresParam(AccumulatorParam[Failures]):  # type: ignore[misc]
    """Adds up the failures of tasks as they end."""

    def zero(self, value: Failures) -> Failures:
        """Return no failures."""
        del value
        return Failures()

    def addInPlace(self, value1: Failures, value2: Failures) -> Failures:
        """Return the sum."""
        return value1 + value2


@dataclass(frozen=True)
class WaveTask:
    """Everything a task of one wave is told. Holds no secret: it becomes part of Spark's plan.

    `isolated`: the task looks for a picture that kills its process; it raises no errors, so that a
    second try means that the first process died.
    """

    origin: Origin
    wave: int
    source_uri: str
    output_uri: str
    s3: S3Settings
    options: RuntimeOptions
    any_size: bool
    limits: Limits
    shipment: BundleShipment
    counters: Counters
    failures: Accumulator[Failures]
    isolated: bool = False

    def alone(self) -> WaveTask:
        """Return the task for pictures among which one killed its process."""
        return replace(self, isolated=True)

    def function(self) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
        """Give the function for `mapInArrow`: planned keys in, one report out."""

        def score_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield run_task(self, batches)

        return score_partition


def run_task(task: WaveTask, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
    """Score one partition inside a Spark worker process.

    A task that failed twice gives its pictures back untouched: whether one of them kills the
    process, `steeldefect.scoring.isolation` finds out.

    Args:
        task: what to do, for every task of the wave alike.
        batches: the task's own pictures; columns key, etag, size, tries.

    Returns:
        One row, column `report`: a `TaskReport` as JSON.
    """
    context = TaskContext.get()
    if context is None:
        raise DeviceError("run_task serves inside a Spark task only")
    report = _attempted(task, batches, context)
    task.counters.done.add(report.scored + report.quarantined)
    task.counters.failed.add(report.quarantined)
    task.failures.add(report.failures)
    return pa.record_batch([[report_to_json(report)]], schema=REPORT)


def _attempted(
    task: WaveTask, batches: Iterator[pa.RecordBatch], context: TaskContext
) -> TaskReport:
    """Score, give back, or report an error.

    The first try raises what is no picture's fault, since Spark may repeat it on a better host;
    later ones report it, so that a task that is tried a third time has lost its process.
    """
    attempt = context.attemptNumber()
    if attempt >= TRIES:
        return TaskReport(given_back=True)
    try:
        return _scored(task, batches, context)
    except (SteelDefectError, OSError) as error:
        if attempt == 0 and not task.isolated:
            raise
        reported = error_to_text(error)
        return TaskReport(error=reported, failures=Failures(error=reported))
    except Exception as error:  # of a library, over one of the pictures: looked for like a death
        if not task.isolated:
            raise
        _LOG.warning("a task failed: %s: %s", type(error).__name__, error)
        return TaskReport(given_back=True)


def _scored(task: WaveTask, batches: Iterator[pa.RecordBatch], context: TaskContext) -> TaskReport:
    detector = models_of_process(task.shipment, task.options, task.any_size, context)
    scorer = TaskScorer(
        detector,
        open_store(task.source_uri, task.s3),
        open_store(task.output_uri, task.s3),
        task.origin,
        task.limits,
        _BREAKERS.setdefault(task.source_uri, Breaker(task.limits.store_failures)),
    )
    label = f"{task.wave:06d}-{context.partitionId():06d}"
    return replace(scorer.run(keys_of(batches), label), engine=str(detector.engine))
