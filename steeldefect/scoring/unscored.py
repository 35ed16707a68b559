"""Write pictures that cannot be scored to `quarantine`, without models."""

from __future__ import annotations

from collections.abc import Sequence

from steeldefect.scoring.fetching import PictureKey
from steeldefect.scoring.task_report import Failures, TaskReport
from steeldefect.scoring.task_rows import Failure, failed_row, write_failed
from steeldefect.stores import Store
from steeldefect.tables.provenance import Origin


def quarantine(
    keys: Sequence[PictureKey],
    failure: Failure,
    source: str,
    output: Store,
    origin: Origin,
    max_tries: int,
    label: str,
) -> TaskReport:
    """Write one row for each picture, all with the same failure.

    Args:
        keys: the pictures.
        failure: why they cannot be scored.
        source: address of the input.
        output: store of the tables.
        origin: provenance of the rows.
        max_tries: number of runs with a transient failure after which a picture is given up.
        label: numbers of wave and task, for the name of the file.

    Returns:
        The report of a task that scored none of them.

    Raises:
        StoreError: the output cannot be written.
    """
    if not keys:
        return TaskReport()
    rows = [failed_row(key, failure, max_tries) for key in keys]
    part = write_failed(output, source, rows, origin, label)
    failures = Failures()
    for key in keys:
        failures.add(key, failure.stage.value, failure.error)
    return TaskReport([part], quarantined=len(keys), failures=failures)
