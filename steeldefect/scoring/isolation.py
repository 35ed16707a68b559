"""Find pictures that kill the process that scores them, so that their wave does not fail.

A task that failed twice gives its pictures back. They are cut into smaller batches, and a new task
scores each batch. This is repeated until each batch that kills its process is a single picture.
These pictures go to quarantine; all others are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import pyarrow as pa

from steeldefect.errors import WorkerDiedError
from steeldefect.scoring.task import TRIES, WaveTask, without_shadow
from steeldefect.scoring.task_report import TaskReport
from steeldefect.scoring.task_rows import Failure
from steeldefect.scoring.unscored import quarantine
from steeldefect.scoring.worker import keys_of
from steeldefect.spark.session import explain_failure
from steeldefect.stores import open_store
from steeldefect.tables.schema import Stage

_PIECES = 8
"""Number of batches into which the pictures that a task gave back are cut."""

RunTasks = Callable[[WaveTask, pa.Table, Sequence[int]], list[TaskReport]]


def isolate(
    task: WaveTask, batches: list[pa.Table], reports: list[TaskReport], run_tasks: RunTasks
) -> list[TaskReport]:
    """Score the pictures that tasks gave back.

    Args:
        task: task of the wave.
        batches: keys of each task.
        reports: report of each task.
        run_tasks: runs one task for each size over the keys.

    Returns:
        Reports that together cover all pictures, none of them with pictures given back.

    Raises:
        SteelDefectError: a task failed, and no single picture is the cause.
    """
    settled: list[TaskReport] = []
    while True:
        for report in reports:
            raise_reported(report.error)
        settled += [report for report in reports if not report.given_back]
        back = [batch for batch, report in zip(batches, reports, strict=True) if report.given_back]
        settled += [give_up(task, batch) for batch in back if batch.num_rows == 1]
        batches = [piece for batch in back if batch.num_rows > 1 for piece in _pieces(batch)]
        if not batches:
            return settled
        sizes = [batch.num_rows for batch in batches]
        reports = run_tasks(task.alone(), pa.concat_tables(batches), sizes)


def give_up(task: WaveTask, keys: pa.Table) -> TaskReport:
    """Write a picture that kills its process to `quarantine`.

    Args:
        task: task of the wave.
        keys: one row; columns of `plan.skipped.PLANNED`.

    Returns:
        Report in place of the task that died.
    """
    (key,) = keys_of(keys.to_batches())
    error = WorkerDiedError(
        f"the worker process died {TRIES} times with this picture alone, most likely because it "
        "ran out of memory; give executors more memory, or lower max_picture_pixels"
    )
    output, label = open_store(task.output_uri, task.s3), f"{task.wave:06d}-driver"
    fixed = (task.source_uri, output, task.origin, task.limits.max_tries, label)
    report = quarantine([key], Failure(Stage.WORKER, error), *fixed)
    return replace(report, shadow=without_shadow(task, [key], error, output, label))


def cut_table(keys: pa.Table, sizes: Sequence[int]) -> list[pa.Table]:
    """Cut a table into slices of these sizes; they share its memory."""
    ends = list(accumulate(sizes))
    return [keys.slice(end - size, size) for end, size in zip(ends, sizes, strict=True)]


def raise_reported(error: str) -> None:
    """Raise the error that a task reported, with its own type; an empty text is no error."""
    if error:
        raise explain_failure(RuntimeError(error))


def _pieces(batch: pa.Table) -> list[pa.Table]:
    count = min(_PIECES, batch.num_rows)
    cuts = [batch.num_rows * number // count for number in range(count + 1)]
    return cut_table(batch, [end - begin for begin, end in pairwise(cuts)])
