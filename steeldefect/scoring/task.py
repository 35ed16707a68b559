"""Run the worker inside a Spark task: the data of a wave's tasks, and their reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark import Accumulator, AccumulatorParam, TaskContext

from steeldefect.errors import DeviceError, SteelDefectError, WorkerDiedError, error_to_text
from steeldefect.runtimes import RuntimeOptions
from steeldefect.scoring.bundle_scorer import Measuring, Opened
from steeldefect.scoring.fetching import Breaker, PictureKey
from steeldefect.scoring.process_models import BundleShipment, models_of_process
from steeldefect.scoring.task_report import Failures, TaskReport, report_to_json
from steeldefect.scoring.task_rows import Failure
from steeldefect.scoring.unscored import quarantine
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import Stage

_LOG = logging.getLogger(__name__)

REPORT = pa.schema([("report", pa.string())])

_BREAKERS: dict[str, Breaker] = {}
"""Breaker of each source, kept for later tasks of this process."""

TRIES = 2
"""Number of failed tries after which a task gives its pictures back, to be scored in batches."""


@dataclass(frozen=True)
class Counters:
    """Spark accumulators for progress.

    Attributes:
        done: pictures that were scored or quarantined.
        failed: pictures that were quarantined.
    """

    done: Accumulator[int]
    failed: Accumulator[int]


class FailuresParam(AccumulatorParam[Failures]):  # type: ignore[misc]
    """Sum of `Failures`, for a Spark accumulator."""

    def zero(self, value: Failures) -> Failures:
        """Return no failures."""
        del value
        return Failures()

    def addInPlace(self, value1: Failures, value2: Failures) -> Failures:
        """Return the sum."""
        return value1 + value2


@dataclass(frozen=True)
class ShadowTask:
    """What a wave's tasks need of a shadow: the provenance of its rows, and its broadcast bundle.

    A fault of the shadow's models never fails a task: it fails the shadow's pictures.
    """

    origin: Origin
    shipment: BundleShipment


@dataclass(frozen=True)
class WaveTask:
    """Everything that the tasks of one wave need. It holds no secret: it is part of Spark's plan.

    Attributes:
        origin: provenance of the rows.
        wave: number of the wave within the run, from 1.
        source_uri: address of the pictures.
        output_uri: address of the tables.
        s3: how S3 is reached.
        options: what the run chose for runtime, device, precision and batch size.
        any_size: whether pictures are scored whose size the models were not trained on.
        limits: limits for pictures and for failures of the store.
        measuring: how regions are measured.
        shipment: the broadcast bundle.
        counters: progress of all tasks of the run.
        failures: accumulator for the failures of the wave's tasks.
        shadow: a second bundle that scores the pictures as well; None without one.
        isolated: whether the task looks for a picture that kills its process. Such a task raises
            no errors, so a second try means that the first process died. It opens no models of
            a shadow, which may be the cause.
    """

    origin: Origin
    wave: int
    source_uri: str
    output_uri: str
    s3: S3Settings
    options: RuntimeOptions
    any_size: bool
    limits: Limits
    measuring: Measuring
    shipment: BundleShipment
    counters: Counters
    failures: Accumulator[Failures]
    shadow: ShadowTask | None = None
    isolated: bool = False

    def alone(self) -> WaveTask:
        """Return the same task with `isolated` set, for pictures that may kill their process."""
        return replace(self, isolated=True)

    def function(self) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
        """Return the function for `mapInArrow`: planned keys in, one report out."""

        def score_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield run_task(self, batches)

        return score_partition


def run_task(task: WaveTask, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
    """Score the pictures of one task inside a Spark worker process.

    A task that failed twice gives its pictures back and scores none. `scoring.isolation`
    then finds out whether one of them kills the process.

    Args:
        task: the wave's task.
        batches: keys of this task's pictures; columns of `PLANNED`.

    Returns:
        One row, column `report`: a `TaskReport` as JSON.

    Raises:
        DeviceError: this is not a Spark task.
    """
    context = TaskContext.get()
    if context is None:
        raise DeviceError("run_task runs only inside a Spark task; start it with mapInArrow")
    report = _attempt(task, batches, context)
    task.counters.done.add(report.scored + report.quarantined)
    task.counters.failed.add(report.quarantined)
    task.failures.add(report.failures)
    return pa.record_batch([[report_to_json(report)]], schema=REPORT)


def _attempt(task: WaveTask, batches: Iterator[pa.RecordBatch], context: TaskContext) -> TaskReport:
    """Score the pictures, give them back, or report an error.

    An error that stops the whole task is raised in the first try, because Spark may repeat the task
    on a better host. Later tries report errors instead of raising them.
    """
    attempt = context.attemptNumber()
    if attempt >= TRIES:
        return TaskReport(given_back=True)
    try:
        return _score(task, batches, context)
    except (SteelDefectError, OSError) as error:
        if attempt == 0 and not task.isolated:
            raise
        reported = error_to_text(error)
        return TaskReport(error=reported, failures=Failures(error=reported))
    except Exception as error:  # a library failed: one picture may be the cause, as with a death
        if not task.isolated:
            raise
        _LOG.warning("a task failed: %s: %s", type(error).__name__, error)
        return TaskReport(given_back=True)


def _score(task: WaveTask, batches: Iterator[pa.RecordBatch], context: TaskContext) -> TaskReport:
    planned = task.shadow
    beside = None if planned is None or task.isolated else planned.shipment
    detector = models_of_process(task.shipment, task.options, task.any_size, context, beside)
    output = open_store(task.output_uri, task.s3)
    label = f"{task.wave:06d}-{context.partitionId():06d}"
    keys = list(keys_of(batches))
    shadow = None if planned is None else _open_shadow(task, planned, context)
    scorer = TaskScorer(
        Opened(detector, task.origin),
        open_store(task.source_uri, task.s3),
        output,
        task.limits,
        _BREAKERS.setdefault(task.source_uri, Breaker(task.limits.store_failures)),
        task.measuring,
        shadow if isinstance(shadow, Opened) else None,
    )
    report = scorer.run(keys, label)
    if isinstance(shadow, WorkerDiedError):
        return replace(report, shadow=without_shadow(task, keys, shadow, output, label))
    return report


def _open_shadow(
    task: WaveTask, planned: ShadowTask, context: TaskContext
) -> Opened | WorkerDiedError:
    """Return the opened models of the shadow, or why they are not open."""
    if task.isolated:
        return WorkerDiedError(
            "a worker process died with this picture or one beside it, so these pictures were "
            "scored without the shadow"
        )
    try:
        opened = models_of_process(
            planned.shipment, task.options, task.any_size, context, task.shipment
        )
    except Exception as error:  # the shadow must not cost the night
        _LOG.warning("the shadow's models cannot be opened", exc_info=True)
        return WorkerDiedError(
            f"the shadow's models cannot be opened: {type(error).__name__}: {error}"
        )
    return Opened(opened, planned.origin)


def without_shadow(
    task: WaveTask, keys: Sequence[PictureKey], error: Exception, output: Store, label: str
) -> TaskReport | None:
    """Write the pictures that the shadow was to score to `quarantine`.

    Args:
        task: task of the wave.
        keys: pictures of the task.
        error: why the shadow does not score them.
        output: store of the tables.
        label: numbers of wave and task, for the name of the file.

    Returns:
        Report of the shadow; None without a shadow.
    """
    if task.shadow is None:
        return None
    missed = [own for key in keys if (own := key.for_shadow) is not None]
    failure = Failure(Stage.WORKER, error)
    fixed = (task.source_uri, output, task.shadow.origin, task.limits.max_tries, label)
    return quarantine(missed, failure, *fixed)
