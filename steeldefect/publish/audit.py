"""Audit a wave: check the parts that its tasks wrote, before anybody else can see them.

The parts are read back from the store. Each planned key must occur exactly once, and no other key
may occur. A task's rows of `predictions` and `defects` must add up, class by class. A sample of the
masks is decoded: each mask must have the area that its row states, and be made of its regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.errors import AuditError, RunLengthError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Runs
from steeldefect.scoring.task_report import TaskReport
from steeldefect.stores import Store
from steeldefect.tables.parts import read_part
from steeldefect.tables.schema import SCHEMAS, TableName

_READERS = 16
_IMAGES, _QUARANTINE = TableName.IMAGES, TableName.QUARANTINE
_PREDICTIONS, _DEFECTS = TableName.PREDICTIONS, TableName.DEFECTS
_MASK = ["key", "class_id", "run_lengths", "area"]
_COLUMNS = {
    _IMAGES: ["key", "defects", "regions", "rejected_regions", "audit_defects", "audit_regions"],
    _QUARANTINE: ["key"],
    _PREDICTIONS: [*_MASK, "regions"],
    _DEFECTS: [*_MASK, "kept"],
}
"""Columns that the audit reads of each table."""

_NO_KEYS = pa.array([], pa.string())
Written = dict[TableName, pa.Table]
"""What a task wrote, by table."""

_NO_RUNS = np.zeros((0, 2), np.int64)
Row = dict[str, Any]


def audit_wave(store: Store, wave: pa.Table, reports: list[TaskReport], masks: int) -> None:
    """Compare the rows that a wave's tasks wrote with the wave's plan.

    Args:
        store: the output.
        wave: the planned pictures, column key.
        reports: reports of the wave's tasks.
        masks: largest number of predictions whose masks are decoded.

    Raises:
        AuditError: a row is missing, duplicated or not planned; a part cannot be read; rows of
            `images`, `predictions` and `defects` do not add up; or a mask does not have the area
            that its row states.
        StoreError: the store refused, or does not answer.
    """
    with ThreadPoolExecutor(_READERS, "audit") as pool:  # a large cluster writes hundreds of files
        written = list(pool.map(lambda report: _read(store, report), reports))
    keys = [one[table]["key"] for one in written for table in (_IMAGES, _QUARANTINE)]
    _compare_keys(wave["key"], pa.chunked_array([_NO_KEYS, *(c for k in keys for c in k.chunks)]))
    stated = sum(report.scored + report.quarantined for report in reports)
    if stated != wave.num_rows:
        raise AuditError(f"the tasks report {stated} pictures, {wave.num_rows} were planned")
    for one in written:
        _check_sums(one)
    _check_masks(written, masks)


def _read(store: Store, report: TaskReport) -> Written:
    """Read the columns that the audit needs from all parts of a task, each part once."""
    written = {}
    for table, columns in _COLUMNS.items():
        schema = pa.schema([SCHEMAS[table].columns.field(name) for name in columns])
        parts = [part for part in report.parts if part.table is table]
        read = [read_part(store, part, columns) for part in parts]
        written[table] = pa.concat_tables([schema.empty_table(), *read])
    return written


def _check_sums(written: Written) -> None:
    """Check that the regions of each picture and class add up to its rows in other tables."""
    images, found, split = (written[table] for table in (_IMAGES, _PREDICTIONS, _DEFECTS))
    kept = split.filter(split["kept"]).group_by(["key", "class_id"], use_threads=False)
    summed = kept.aggregate([([], "count_all"), ("area", "sum")])
    stated = found.select(["key", "class_id", "regions", "area"])
    _require_equal(stated, summed, "predictions", "its regions")
    classes = found.group_by("key", use_threads=False).aggregate(
        [([], "count_all"), ("regions", "sum")]
    )
    defects, regions = (_with_audit(images, name) for name in ("defects", "regions"))
    counted = pa.table({"key": images["key"], "defects": defects, "regions": regions})
    some = pc.greater(pc.add(defects, regions), 0)
    _require_equal(counted.filter(some), classes, "images", "its predictions")
    _check_rejected(images, split.filter(pc.invert(split["kept"])))


def _with_audit(images: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a count of `images` together with what the audit of the gate found."""
    return pc.add(images[name], pc.fill_null(images[f"audit_{name}"], 0))


def _check_rejected(images: pa.Table, rejected: pa.Table) -> None:
    """Check that no picture has more removed regions than its row in `images` states."""
    counts = rejected.group_by("key", use_threads=False).aggregate([([], "count_all")])
    stated = dict(
        zip(images["key"].to_pylist(), images["rejected_regions"].to_pylist(), strict=True)
    )
    for row in counts.to_pylist():
        if row["count_all"] > (stated.get(row["key"]) or 0):
            raise AuditError(
                f"{row['key']}: {row['count_all']} removed regions were written, images states "
                f"{stated.get(row['key'])}; this wave was not published; start again"
            )


def _require_equal(stated: pa.Table, counted: pa.Table, table: str, what: str) -> None:
    """Check that two tables hold the same rows of whole numbers and keys, in any order."""
    one, other = (Counter(_rows(rows)) for rows in (stated, counted))
    differing = sorted((one - other) + (other - one))
    if differing:
        raise AuditError(
            f"{differing[0][0]}: the row in {table} and the sum of {what} differ "
            f"({len(differing)} rows do); this wave was not published; start again"
        )


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


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


def _check_masks(written: list[Written], masks: int) -> None:
    """Decode a sample of the masks, spread over the tasks, with the regions of their pictures."""
    found = [one for one in written if one[_PREDICTIONS].num_rows]
    left = masks
    for one in found:
        if left <= 0:
            return
        rows = one[_PREDICTIONS]
        step = max(1, rows.num_rows * len(found) // masks)
        sample = rows.take(list(range(0, rows.num_rows, step))[:left])
        left -= sample.num_rows
        kept = _kept_regions(one[_DEFECTS], sample)
        for row in sample.to_pylist():
            _check_mask(row, kept.get((row["key"], row["class_id"]), []))


def _kept_regions(rows: pa.Table, sample: pa.Table) -> dict[tuple[str, int], list[Row]]:
    """Return the kept regions of the sampled pictures, by key and class."""
    wanted = rows.filter(pc.and_(rows["kept"], pc.is_in(rows["key"], sample["key"])))
    kept: dict[tuple[str, int], list[Row]] = {}
    for row in wanted.to_pylist():
        kept.setdefault((row["key"], row["class_id"]), []).append(row)
    return kept


def _check_mask(row: Row, regions: list[Row]) -> None:
    """Check the mask of a prediction, and that its regions make up the mask."""
    runs = _checked_runs(row)
    where = f"{row['key']}, class {row['class_id']}"
    pieces = np.concatenate([_NO_RUNS, *(_checked_runs(region) for region in regions)])
    if not _same_pixels(runs, pieces):
        raise AuditError(f"{where}: its regions are not its mask; this wave was not published")


def _checked_runs(row: Row) -> Runs:
    """Return the run lengths of a row, which have to cover the area that it states."""
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
    return runs


def _same_pixels(runs: Runs, pieces: Runs) -> bool:
    """Return whether runs, put in order, cover the pixels of a mask, each once."""
    if len(pieces) == 0:
        return len(runs) == 0
    pieces = pieces[np.argsort(pieces[:, 0])]
    begins = np.concatenate(([True], pieces[1:, 0] != pieces[:-1].sum(axis=1)))
    first = np.flatnonzero(begins)
    joined = np.stack([pieces[first, 0], np.add.reduceat(pieces[:, 1], first)], axis=1)
    return bool(np.array_equal(joined, runs))
