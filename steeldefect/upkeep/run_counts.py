"""Count the rows of each run in each table, so that the tables can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from steeldefect.publish.runs import Outcome
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

_ORDER = (
    *(TableName.RUNS, TableName.DRIFT, TableName.REPEATS),
    *(TableName.METRICS, TableName.CONFUSIONS, TableName.REVIEWS),
    *(TableName.IMAGES, TableName.QUARANTINE, TableName.PREDICTIONS, TableName.DEFECTS),
    *(TableName.MASK_LEVELS, TableName.AGREEMENT),
)
"""Order in which a reader opens the tables: the table that is published last comes first."""

_PICTURE = ("run_id", "source", "key")
UNIQUE = {
    TableName.IMAGES: _PICTURE,
    TableName.PREDICTIONS: (*_PICTURE, "class_id"),
    TableName.DEFECTS: (*_PICTURE, "number"),
    TableName.MASK_LEVELS: (*_PICTURE, "class_id", "level"),
    TableName.QUARANTINE: _PICTURE,
    TableName.AGREEMENT: (*_PICTURE, "shadow_run", "class_name"),
}
"""Columns whose values together occur in at most one row of a table."""

Rows = duckdb.DuckDBPyConnection
"""A connection in which all tables can be queried; see `open_rows`."""


@dataclass(frozen=True)
class RunCounts:
    """The numbers of rows of one run.

    Attributes:
        run_id: id of the run.
        images: number of rows of `images`.
        defects: sum of `images.defects` and `images.audit_defects`.
        predictions: number of rows of `predictions`.
        quarantine: number of rows of `quarantine`.
        defective: number of rows of `images` with a defect.
        fits: whether each picture has as many predictions as its row of `images` states.
        regions: sum of `images.regions` and `images.audit_regions`; rows of older versions state
            none.
        kept_regions: number of rows of `defects` that are kept.
        regions_fit: whether each picture has as many of these rows as its row of `images` states.
        level_masks: sum of `images.level_masks`.
        level_rows: number of rows of `mask_levels`.
        levels_fit: whether each picture has as many of these rows as its row of `images` states.
    """

    run_id: str
    images: int = 0
    defects: int = 0
    predictions: int = 0
    quarantine: int = 0
    defective: int = 0
    fits: bool = True
    regions: int = 0
    kept_regions: int = 0
    regions_fit: bool = True
    level_masks: int = 0
    level_rows: int = 0
    levels_fit: bool = True

    @property
    def all_found(self) -> int:
        """Number of rows of the pictures that were scored, in all tables."""
        return self.images + self.predictions + self.kept_regions + self.level_rows


@dataclass(frozen=True)
class RecordedRun:
    """The row of a run in `runs`; `rows` is the number of its rows there.

    `shadow_of` is the run that led, if this one is its shadow.
    """

    run_id: str
    job: str
    outcome: Outcome
    scored: int
    quarantined: int
    waves: int
    shadow_of: str | None
    rows: int


# `fits` weighs each finding by a hash of its picture: without the weights, a missing finding of one
# picture and a surplus finding of another would cancel out
_COUNT = """
WITH scored AS (
    SELECT run_id, count(*) AS images,
        sum(defects + coalesce(audit_defects, 0)) AS defects,
        count_if(defects > 0) AS defective,
        sum((defects + coalesce(audit_defects, 0))::HUGEINT * (hash(source, key) >> 32)) AS weight,
        sum(coalesce(regions, 0) + coalesce(audit_regions, 0)) AS regions,
        sum((coalesce(regions, 0) + coalesce(audit_regions, 0))::HUGEINT
            * (hash(source, key) >> 32)) AS region_weight,
        sum(level_masks) AS level_masks,
        sum(coalesce(level_masks, 0)::HUGEINT * (hash(source, key) >> 32)) AS level_weight
    FROM images GROUP BY ALL
), found AS (
    SELECT run_id, count(*) AS predictions, sum((hash(source, key) >> 32)::HUGEINT) AS weight
    FROM predictions GROUP BY ALL
), split AS (
    SELECT run_id, count(*) AS kept_regions,
        sum((hash(source, key) >> 32)::HUGEINT) AS region_weight
    FROM defects WHERE kept GROUP BY ALL
), layered AS (
    SELECT run_id, count(*) AS level_rows,
        sum((hash(source, key) >> 32)::HUGEINT) AS level_weight
    FROM mask_levels GROUP BY ALL
), failed AS (
    SELECT run_id, count(*) AS quarantine FROM quarantine GROUP BY ALL
)
SELECT run_id, coalesce(images, 0)::BIGINT AS images, coalesce(defects, 0)::BIGINT AS defects,
    coalesce(predictions, 0)::BIGINT AS predictions, coalesce(quarantine, 0)::BIGINT AS quarantine,
    coalesce(defective, 0)::BIGINT AS defective,
    coalesce(scored.weight, 0) = coalesce(found.weight, 0) AS fits,
    coalesce(regions, 0)::BIGINT AS regions, coalesce(kept_regions, 0)::BIGINT AS kept_regions,
    coalesce(scored.region_weight, 0) = coalesce(split.region_weight, 0) AS regions_fit,
    coalesce(level_masks, 0)::BIGINT AS level_masks, coalesce(level_rows, 0)::BIGINT AS level_rows,
    coalesce(scored.level_weight, 0) = coalesce(layered.level_weight, 0) AS levels_fit
FROM scored FULL JOIN found USING (run_id) FULL JOIN split USING (run_id)
    FULL JOIN layered USING (run_id) FULL JOIN failed USING (run_id)
ORDER BY run_id
"""
_RECORDED = """
SELECT run_id, any_value(job) AS job, max_by(outcome, seconds) AS outcome,
    max_by(scored, seconds) AS scored, max_by(quarantined, seconds) AS quarantined,
    max_by(waves, seconds) AS waves, any_value(shadow_of) AS shadow_of, count(*) AS rows
FROM runs GROUP BY run_id ORDER BY run_id
"""
_EVALUATIONS = """
SELECT run_id, run_id IN (SELECT run_id FROM metrics) AS metrics,
    (bundle, source) IN (SELECT (bundle, labels) FROM confusions)
        OR run_id IN (  -- no picture had known masks
            SELECT run_id FROM metrics WHERE name = 'mean_dice' AND support = 0
        ) AS confusions,
    true AS reviews
FROM runs WHERE job = 'evaluate' AND outcome = 'success' AND planned > 0
UNION ALL
SELECT run_id, true, true, run_id IN (SELECT run_id FROM reviews)
FROM runs WHERE job = 'review' AND outcome = 'success'
ORDER BY run_id
"""
_ORIGINS = """
WITH classes AS (
    SELECT bundle, json_group_object(class_id, class_name)::VARCHAR AS classes
    FROM (SELECT DISTINCT bundle, class_id::VARCHAR AS class_id, class_name FROM predictions)
    GROUP BY bundle
), rows AS (
    SELECT run_id, source, bundle, scored_at, run_number FROM images
    UNION ALL SELECT run_id, source, bundle, scored_at, run_number FROM quarantine
    UNION ALL SELECT run_id, source, bundle, scored_at, run_number FROM predictions
), found AS (
    SELECT run_id, any_value(source) AS source, any_value(bundle) AS bundle,
        any_value(scored_at) AS scored_at, any_value(run_number) AS run_number
    FROM rows WHERE run_id IN (SELECT unnest($1)) GROUP BY run_id
), shadows AS (
    SELECT shadow_run AS run_id, any_value(run_id) AS shadow_of FROM agreement GROUP BY shadow_run
), led AS (  -- a shadow has the number of the run that led; so has no other run
    SELECT run_number, any_value(run_id) AS led_by FROM runs
    WHERE job = 'score' AND shadow_of IS NULL AND run_number IS NOT NULL GROUP BY run_number
)
SELECT found.*, coalesce(classes, '{}') AS classes,
    coalesce(shadow_of, nullif(led_by, found.run_id)) AS shadow_of
FROM found LEFT JOIN classes USING (bundle) LEFT JOIN shadows USING (run_id)
    LEFT JOIN led USING (run_number)
"""
_MISFITS = """
WITH scored AS (
    SELECT run_id, source, key,
        any_value(defects + coalesce(audit_defects, 0)) AS defects,
        any_value(coalesce(regions, 0) + coalesce(audit_regions, 0)) AS regions,
        any_value(level_masks) AS levels
    FROM images WHERE run_id IN (SELECT unnest($1)) GROUP BY ALL
), found AS (
    SELECT run_id, source, key, count(DISTINCT class_id) AS defects
    FROM predictions WHERE run_id IN (SELECT unnest($1)) GROUP BY ALL
), split AS (
    SELECT run_id, source, key, count(DISTINCT number) FILTER (kept) AS regions
    FROM defects WHERE run_id IN (SELECT unnest($1)) GROUP BY ALL
), layered AS (
    SELECT run_id, source, key, count(DISTINCT (class_id, level)) AS levels
    FROM mask_levels WHERE run_id IN (SELECT unnest($1)) GROUP BY ALL
)
SELECT run_id, source, key, scored.defects IS NOT NULL AS scored
FROM scored FULL JOIN found USING (run_id, source, key) FULL JOIN split USING (run_id, source, key)
    FULL JOIN layered USING (run_id, source, key)
WHERE coalesce(scored.defects, -1) <> coalesce(found.defects, 0)
    OR coalesce(scored.regions, 0) <> coalesce(split.regions, 0)
    OR coalesce(scored.levels, 0) <> coalesce(layered.levels, 0)
"""


@contextmanager
def open_rows(tables: Tables) -> Iterator[Rows]:
    """Open all tables at their newest versions, for the functions below.

    Raises:
        TableError, StoreUnavailableError: see `Tables.open`.
    """
    with closing(duckdb.connect(":memory:")) as rows:
        for table in _ORDER:
            rows.register(table.value, tables.dataset(table))
        yield rows


def count_runs(rows: Rows) -> list[RunCounts]:
    """Count the rows of each run; each table is read once, as a stream.

    Raises:
        duckdb.Error, OSError, pa.ArrowException: a data file cannot be read.
    """
    return [RunCounts(**row) for row in _ask(rows, _COUNT).to_pylist()]


def recorded_runs(rows: Rows) -> list[RecordedRun]:
    """Return the row of each run in `runs`; of several rows, the one with the largest `seconds`.

    Raises:
        duckdb.Error, OSError, pa.ArrowException: a data file cannot be read.
    """
    found = _ask(rows, _RECORDED).to_pylist()
    return [RecordedRun(**row | {"outcome": Outcome(row["outcome"])}) for row in found]


def lost_evaluations(rows: Rows) -> dict[str, TableName]:
    """Find successful evaluations without rows in `metrics` or `confusions`, and such reviews.

    A later evaluation with the same bundle and labels replaces the rows in `confusions`; so any
    rows with that bundle and these labels count there.

    Returns:
        The table without rows, by the id of the run.

    Raises:
        duckdb.Error, OSError, pa.ArrowException: a data file cannot be read.
    """
    lost = {}
    for row in _ask(rows, _EVALUATIONS).to_pylist():
        for table in (TableName.METRICS, TableName.CONFUSIONS, TableName.REVIEWS):
            if not row[table.value]:
                lost[row["run_id"]] = table
    return lost


def misfits(rows: Rows, run_ids: Sequence[str]) -> pa.Table:
    """List the pictures of runs that have not as many rows in other tables as `images` states.

    Duplicate rows count once; see `doubled`.

    Returns:
        Columns run_id, source, key, and scored (whether `images` has a row of the picture).
    """
    return _ask(rows, _MISFITS, list(run_ids))


def origins(rows: Rows, run_ids: Sequence[str]) -> pa.Table:
    """Return the provenance of runs, as their rows state it.

    Returns:
        One row for each run: run_id, source, bundle, scored_at, run_number, classes (defect
        classes that occur in findings of its bundle, name by id, as JSON), and shadow_of.
    """
    return _ask(rows, _ORIGINS, list(run_ids))


def doubled(rows: Rows, table: TableName, run_ids: Sequence[str]) -> pa.Table:
    """List the duplicate rows of runs in a table.

    Args:
        rows: rows of the output.
        table: table to check; one of `UNIQUE`.
        run_ids: ids of the runs.

    Returns:
        The table's columns in `UNIQUE`; one row for each set of duplicates.
    """
    return _ask(rows, _doubled(table, ", ".join(UNIQUE[table])), list(run_ids))


def count_copies(rows: Rows, table: TableName, run_ids: Sequence[str]) -> dict[str, int]:
    """Count the duplicate rows of runs in a table, without the first row of each set.

    Args:
        rows: rows of the output.
        table: table to check; one of `UNIQUE`.
        run_ids: ids of the runs. DuckDB holds all keys of their pictures in memory, or in a file.

    Returns:
        The number of duplicates by run id; runs without duplicates are absent.

    Raises:
        duckdb.Error, OSError, pa.ArrowException: a data file cannot be read.
    """
    if not run_ids:
        return {}
    copies = _doubled(table, "run_id, count(*) - 1 AS copies")
    statement = f"SELECT run_id, sum(copies)::BIGINT AS copies FROM ({copies}) GROUP BY run_id"  # noqa: S608
    found = _ask(rows, statement, list(run_ids)).to_pylist()
    return {row["run_id"]: row["copies"] for row in found}


def _doubled(table: TableName, columns: str) -> str:
    return (
        f"SELECT {columns} FROM {table.value} WHERE run_id IN (SELECT unnest($1)) "  # noqa: S608
        f"GROUP BY {', '.join(UNIQUE[table])} HAVING count(*) > 1"
    )


def _ask(rows: Rows, statement: str, *parameters: object) -> pa.Table:
    return rows.sql(statement, params=list(parameters)).to_arrow_table()
