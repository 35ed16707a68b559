"""Audit a wave: check the parts that its tasks wrote, before anybody else can see them.

The parts are read back from the store. Each planned key must occur exactly once, and no other key
may occur. A sample of the masks is decoded: each mask must have the area that its row states.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.errors import AuditError, RunLengthError
from steeldefect.pictures import run_lengths
from steeldefect.scoring.task_report import TaskReport
from steeldefect.stores import Store
from steeldefect.tables.parts import Part, read_part
from steeldefect.tables.schema import SCHEMAS, TableName

_READERS = 16
_NO_KEYS = pa.schema([SCHEMAS[TableName.IMAGES].columns.field("key")]).empty_table()


def audit_wave(store: Store, wave: pa.Table, reports: list[TaskReport], masks: int) -> None:
    """Compare the rows that a wave's tasks wrote with the wave's plan.

    Args:
        store: the output.
        wave: the planned pictures, column key.
        reports: reports of the wave's tasks.
        masks: largest number of predictions whose masks are decoded.

    Raises:
        AuditError: a row is missing, duplicated or not planned, a part cannot be read, or a mask
            does not have the area that its row states.
        StoreError: the store refused, or does not answer.
    """
    parts = [part for report in reports for part in report.parts]
    keyed = [part for part in parts if part.table in (TableName.IMAGES, TableName.QUARANTINE)]
    with ThreadPoolExecutor(_READERS, "audit") as pool:  # a large cluster writes hundreds of files
        keys = pool.map(lambda part: read_part(store, part, ["key"]), keyed)
        written = pa.concat_tables([_NO_KEYS, *keys])
    _compare_keys(wave["key"], written["key"])
    stated = sum(report.scored + report.quarantined for report in reports)
    if stated != wave.num_rows:
        raise AuditError(f"the tasks report {stated} pictures, {wave.num_rows} were planned")
    predictions = [part for part in parts if part.table is TableName.PREDICTIONS]
    _check_masks(store, predictions, masks)


def _compare_keys(planned: pa.ChunkedArray, written: pa.ChunkedArray) -> None:
    planned, written = (keys.take(pc.sort_indices(keys)) for keys in (planned, written))
    if planned.combine_chunks().equals(written.combine_chunks()):
        return
    counted = pc.value_counts(written)
    doubled = [one["values"].as_py() for one in counted if one["counts"].as_py() > 1]
    missing = planned.filter(pc.invert(pc.is_in(planned, written)))
    foreign = written.filter(pc.invert(pc.is_in(written, planned)))
    raise AuditError(
        f"the tasks wrote {len(written)} pictures where {len(planned)} were planned: "
        f"{len(missing)} missing, {len(doubled)} doubled, {len(foreign)} not planned; "
        "this wave was not published; start again"
    )


def _check_masks(store: Store, parts: list[Part], masks: int) -> None:
    columns = ["key", "class_id", "run_lengths", "area", "box_right", "share"]
    left = masks
    for part in parts:
        if left <= 0:
            return
        rows = read_part(store, part, columns)
        step = max(1, rows.num_rows * len(parts) // masks)
        sample = rows.take(list(range(0, rows.num_rows, step))[:left])
        left -= sample.num_rows
        for row in sample.to_pylist():
            _check_mask(row)


def _check_mask(row: dict[str, object]) -> None:
    where = f"{row['key']}, class {row['class_id']}"
    try:
        runs = run_lengths.parse(str(row["run_lengths"]))
    except RunLengthError as error:
        raise AuditError(f"{where}: {error}; this wave was not published") from None
    if run_lengths.area(runs) != row["area"]:
        raise AuditError(
            f"{where}: the run lengths cover {run_lengths.area(runs)} pixels, the row says "
            f"{row['area']}; this wave was not published"
        )
