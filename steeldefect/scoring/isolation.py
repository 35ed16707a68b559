"""Finds the picture that kills the process which scores it, so that its wave does not fail.

A task that failed twice gives its pictures back. They are cut into smaller parts, which are scored
by tasks of their own, until the parts that die are single pictures. These go to quarantine; all the
others are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import pyarrow as pa

from steeldefect.errors import WorkerDiedError
from steeldefect.scoring.task import TRIES, WaveTask
from steeldefect.scoring.task_report import Failures, TaskReport
from steeldefect.scoring.task_rows import Failure, failed_row
from steeldefect.scoring.worker import keys_of
from steeldefect.spark.session import explain_failure
from steeldefect.stores import open_store
from steeldefect.tables.parts import write_part
from steeldefect.tables.provenance import stored_rows
from steeldefect.tables.schema import Stage, TableName

_PARTS = 8
"""Into how many parts pictures that were given back are cut."""

RunTasks = Callable[[WaveTask, pa.Table, Sequence[int]], list[TaskReport]]


def isolate(
    task: WaveTask, parts: list[pa.Table], reports: list[TaskReport], run_tasks: RunTasks
) -> list[TaskReport]:
    """Score what tasks gave back.

    Args:
        task: of the wave.
        parts: what each task was given.
        reports: what each task answered.
        run_tasks: runs a task over keys that are cut into sizes.

    Returns:
        Reports that together cover all pictures; none of them gave anything back.

    Raises:
        SteelDefectError: a task failed for a reason that is not one picture's.
    """
    settled: list[TaskReport] = []
    while True:
        for report in reports:
            raise_reported(report.error)
        settled += [report for report in reports if not report.given_back]
        back = [part for part, report in zip(parts, reports, strict=True) if report.given_back]
        settled += [give_up(task, part) for part in back if part.num_rows == 1]
        parts = [piece for part in back if part.num_rows > 1 for piece in _pieces(part)]
        if not parts:
            return settled
        sizes = [part.num_rows for part in parts]
        reports = run_tasks(task.alone(), pa.concat_tables(parts), sizes)


def give_up(task: WaveTask, keys: pa.Table) -> TaskReport:
    """Write a picture that kills every process that scores it to `quarantine`.

    Args:
        task: of the wave.
        keys: one row; columns key, etag, size, tries.
    """
    (key,) = keys_of(keys.to_batches())
    error = WorkerDiedError(
        f"the worker process died {TRIES} times with this picture alone, mostly for want of "
        "memory; give executors more memory, or lower max_picture_pixels"
    )
    row = failed_row(task.source_uri, key, Failure(Stage.WORKER, error), task.limits.max_tries)
    rows = stored_rows(TableName.QUARANTINE, [row], task.origin)
    output = open_store(task.output_uri, task.s3)
    part = write_part(output, TableName.QUARANTINE, rows, task.origin, f"{task.wave:06d}-driver")
    failures = Failures()
    failures.add(key, Stage.WORKER.value, error)
    return TaskReport([part], quarantined=1, failures=failures)


def cut_table(keys: pa.Table, sizes: Sequence[int]) -> list[pa.Table]:
    """Cut a table into parts of these sizes; they share its memory."""
    ends = list(accumulate(sizes))
    return [keys.slice(end - size, size) for end, size in zip(ends, sizes, strict=True)]


def raise_reported(error: str) -> None:
    """Raise the error that a task reported, as its own type; none is the empty text."""
    if error:
        raise explain_failure(RuntimeError(error))


def _pieces(part: pa.Table) -> list[pa.Table]:
    count = min(_PARTS, part.num_rows)
    cuts = [part.num_rows * number // count for number in range(count + 1)]
    return cut_table(part, [end - begin for begin, end in pairwise(cuts)])
