"""Audit a wave: check the parts that its tasks wrote, before anybody else can see them.

The parts are read back from the store. Each planned key must occur exactly once, and no other key
may occur. A task's rows of `predictions` and `defects` must add up, class by class. A sample of the
masks is decoded: each mask must have the area that its row states, and be made of its regions.
"""

from __future__ import annotations

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
from steeldefect.tables.parts import Part, read_part
from steeldefect.tables.schema import SCHEMAS, TableName

_READERS = 16
_MASK = ["key", "class_id", "run_lengths", "area"]
_NO_RUNS = np.zeros((0, 2), np.int64)
Row = dict[str, Any]
_NO_KEYS = pa.schema([SCHEMAS[TableName.IMAGES].columns.field("key")]).empty_table()


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
    keyed = _parts(reports, TableName.IMAGES) + _parts(reports, TableName.QUARANTINE)
    with ThreadPoolExecutor(_READERS, "audit") as pool:  # a large cluster writes hundreds of files
        keys = pool.map(lambda part: read_part(store, part, ["key"]), keyed)
        written = pa.concat_tables([_NO_KEYS, *keys])
        _compare_keys(wave["key"], written["key"])
        stated = sum(report.scored + report.quarantined for report in reports)
        if stated != wave.num_rows:
            raise AuditError(f"the tasks report {stated} pictures, {wave.num_rows} were planned")
        for _ in pool.map(lambda report: _check_sums(store, report), reports):
            pass
    _check_masks(store, reports, masks)


def _parts(reports: list[TaskReport], table: TableName) -> list[Part]:
    return [part for report in reports for part in report.parts if part.table is table]


def _check_sums(store: Store, report: TaskReport) -> None:
    """Check that the regions of each picture and class add up to its rows in other tables."""
    images = _columns(store, report, TableName.IMAGES, ["key", "defects", "regions"])
    found = _columns(store, report, TableName.PREDICTIONS, ["key", "class_id", "regions", "area"])
    split = _columns(store, report, TableName.DEFECTS, ["key", "class_id", "kept", "area"])
    kept = split.filter(split["kept"]).group_by(["key", "class_id"], use_threads=False)
    summed = kept.aggregate([([], "count_all"), ("area", "sum")])
    _require_equal(found, summed, "predictions", "its regions")
    by_key = found.group_by("key", use_threads=False)
    stated = images.filter(pc.greater(pc.add(images["defects"], images["regions"]), 0))
    classes = by_key.aggregate([([], "count_all"), ("regions", "sum")])
    _require_equal(stated, classes, "images", "its predictions")


def _columns(store: Store, report: TaskReport, table: TableName, columns: list[str]) -> pa.Table:
    """Read columns of all parts that a task wrote for a table."""
    schema = pa.schema([SCHEMAS[table].columns.field(name) for name in columns])
    parts = [read_part(store, part, columns) for part in _parts([report], table)]
    return pa.concat_tables([schema.empty_table(), *parts])


def _require_equal(stated: pa.Table, counted: pa.Table, table: str, what: str) -> None:
    """Check that two tables hold the same rows of whole numbers and keys, in any order."""
    one, other = (_sorted_rows(table) for table in (stated, counted))
    if one == other:
        return
    differing = sorted(set(one) ^ set(other))
    raise AuditError(
        f"{differing[0][0]}: the row in {table} and the sum of {what} differ "
        f"({len(differing)} rows do); this wave was not published; start again"
    )


def _sorted_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted(zip(*(column.to_pylist() for column in table.columns), strict=True))


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


def _check_masks(store: Store, reports: list[TaskReport], masks: int) -> None:
    """Decode a sample of the masks, spread over the tasks, with the regions of their pictures."""
    wrote = [report for report in reports if _parts([report], TableName.PREDICTIONS)]
    left = masks
    for report in wrote:
        if left <= 0:
            return
        rows = _columns(store, report, TableName.PREDICTIONS, _MASK)
        step = max(1, rows.num_rows * len(wrote) // masks)
        sample = rows.take(list(range(0, rows.num_rows, step))[:left])
        left -= sample.num_rows
        kept = _kept_regions(store, report, sample)
        for row in sample.to_pylist():
            _check_mask(row, kept.get((row["key"], row["class_id"]), []))


def _kept_regions(
    store: Store, report: TaskReport, sample: pa.Table
) -> dict[tuple[str, int], list[Row]]:
    """Return the kept regions of the sampled pictures, by key and class."""
    rows = _columns(store, report, TableName.DEFECTS, [*_MASK, "kept"])
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
