"""Counts the rows of each run in each table, so that the tables can be held against each other."""

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
    *(TableName.RUNS, TableName.METRICS, TableName.CONFUSIONS),
    *(TableName.IMAGES, TableName.QUARANTINE, TableName.PREDICTIONS),
)
"""In which a reader opens the tables: what is published last comes first."""

_PICTURE = ("run_id", "source", "key")
UNIQUE = {
    TableName.IMAGES: _PICTURE,
    TableName.PREDICTIONS: (*_PICTURE, "class_id"),
    TableName.QUARANTINE: _PICTURE,
}
"""Columns of which no two rows of a table have the same values."""

Rows = duckdb.DuckDBPyConnection
"""The rows of all tables; see `open_rows`."""


@dataclass(frozen=True)
class RunCounts:
    """The rows of one run.

    Attributes:
        run_id: of the run.
        images: rows of `images`.
        defects: sum of `images.defects`.
        predictions: rows of `predictions`.
        quarantine: rows of `quarantine`.
        defective: rows of `images` with a defect.
        fits: whether each picture has as many predictions as its row of `images` says.
    """

    run_id: str
    images: int = 0
    defects: int = 0
    predictions: int = 0
    quarantine: int = 0
    defective: int = 0
    fits: bool = True


@dataclass(frozen=True)
class RecordedRun:
    """What `runs` says of a run; `rows`: how many rows it has there."""

    run_id: str
    job: str
    outcome: Outcome
    scored: int
    quarantined: int
    waves: int
    rows: int


# the last column: pictures weighed by a hash of their names, so that a finding that one picture
# lacks and another has too many do not cancel out
_COUNT = """
WITH scored AS (
    SELECT run_id, count(*) AS images, sum(defects) AS defects,
        count_if(defects > 0) AS defective,
        sum(defects::HUGEINT * (hash(source, key) >> 32)) AS weight
    FROM images GROUP BY ALL
), found AS (
    SELECT run_id, count(*) AS predictions, sum((hash(source, key) >> 32)::HUGEINT) AS weight
    FROM predictions GROUP BY ALL
), failed AS (
    SELECT run_id, count(*) AS quarantine FROM quarantine GROUP BY ALL
)
SELECT run_id, coalesce(images, 0)::BIGINT AS images, coalesce(defects, 0)::BIGINT AS defects,
    coalesce(predictions, 0)::BIGINT AS predictions, coalesce(quarantine, 0)::BIGINT AS quarantine,
    coalesce(defective, 0)::BIGINT AS defective,
    coalesce(scored.weight, 0) = coalesce(found.weight, 0) AS fits
FROM scored FULL JOIN found USING (run_id) FULL JOIN failed USING (run_id)
ORDER BY run_id
"""
_RECORDED = """
SELECT run_id, any_value(job) AS job, max_by(outcome, seconds) AS outcome,
    max_by(scored, seconds) AS scored, max_by(quarantined, seconds) AS quarantined,
    max_by(waves, seconds) AS waves, count(*) AS rows
FROM runs GROUP BY run_id ORDER BY run_id
"""
_EVALUATIONS = """
SELECT run_id, run_id IN (SELECT run_id FROM metrics) AS metrics,
    (bundle, source) IN (SELECT (bundle, labels) FROM confusions) AS confusions
FROM runs WHERE job = 'evaluate' AND outcome = 'success' AND planned > 0
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
)
SELECT found.*, coalesce(classes, '{}') AS classes FROM found LEFT JOIN classes USING (bundle)
"""
_MISFITS = """
WITH scored AS (
    SELECT run_id, source, key, any_value(defects) AS defects
    FROM images WHERE run_id IN (SELECT unnest($1)) GROUP BY ALL
), found AS (
    SELECT run_id, source, key, count(DISTINCT class_id) AS defects
    FROM predictions WHERE run_id IN (SELECT unnest($1)) GROUP BY ALL
)
SELECT run_id, source, key, scored.defects IS NOT NULL AS scored
FROM scored FULL JOIN found USING (run_id, source, key)
WHERE coalesce(scored.defects, -1) <> coalesce(found.defects, 0)
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
    """Read what `runs` says of each run; of several rows the one that was written last.

    Raises:
        duckdb.Error, OSError, pa.ArrowException: a data file cannot be read.
    """
    found = _ask(rows, _RECORDED).to_pylist()
    return [RecordedRun(**row | {"outcome": Outcome(row["outcome"])}) for row in found]


def lost_evaluations(rows: Rows) -> dict[str, TableName]:
    """Find the evaluations that a table has no rows of, although `runs` says that they ended well.

    Of `confusions` a later evaluation replaces the rows of an earlier one.

    Returns:
        Ids of their runs, each with the table.

    Raises:
        duckdb.Error, OSError, pa.ArrowException: a data file cannot be read.
    """
    lost = {}
    for row in _ask(rows, _EVALUATIONS).to_pylist():
        for table in (TableName.METRICS, TableName.CONFUSIONS):
            if not row[table.value]:
                lost[row["run_id"]] = table
    return lost


def misfits(rows: Rows, run_ids: Sequence[str]) -> pa.Table:
    """List the pictures of runs whose predictions are not those that `images` says.

    Rows that are there twice count once; see `doubled`.

    Returns:
        Columns run_id, source, key, and scored: whether `images` has the picture at all.
    """
    return _ask(rows, _MISFITS, list(run_ids))


def origins(rows: Rows, run_ids: Sequence[str]) -> pa.Table:
    """Gather what the rows of runs say of their making.

    Returns:
        One row for each run: run_id, source, bundle, scored_at, run_number, and classes, the
        defect classes that its bundle has found, as JSON.
    """
    return _ask(rows, _ORIGINS, list(run_ids))


def doubled(rows: Rows, table: TableName, run_ids: Sequence[str]) -> pa.Table:
    """List what a table holds more than once of runs.

    Args:
        rows: of the output.
        table: to look at; one of `UNIQUE`.
        run_ids: of the runs.

    Returns:
        Its columns in `UNIQUE`.
    """
    return _ask(rows, _doubled(table, ", ".join(UNIQUE[table])), list(run_ids))


def count_copies(rows: Rows, table: TableName, run_ids: Sequence[str]) -> dict[str, int]:
    """Count the rows of runs that a table holds besides their first copies.

    Args:
        rows: of the output.
        table: to look at; one of `UNIQUE`.
        run_ids: of the runs; all keys of their pictures are held in memory, or in a file of DuckDB.

    Returns:
        The counts by run; runs without such rows are absent.

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
