"""Query the tables of one output with SQL: DuckDB in this process, no server.

Every table has its own name; a table that was not written yet is empty. `predictions` and `defects`
leave out what the audit of the gate found. These are the views:

- `audit_predictions`, `audit_defects`: what the audit found on pictures that the gate stopped;
- `newest_images`: for each picture and bundle, the row of the newest run (a picture that was
  replaced in the archive is scored again);
- `newest_predictions`: the findings that belong to these rows;
- `newest_defects`: their defects, one row for each region;
- `newest_rejected`: the regions on these pictures that minimum areas removed;
- `newest_reviews`: the newest review of each class on each version of a picture;
- `not_scored`: the newest failure of each picture that no later run has scored, without those of
  shadows, which do not try again;
- `leading_runs`: the rows of `runs` without those of shadows.

`run_number` orders the runs, because the clocks of hosts may differ. Rows of versions before 0.2
have no number: they are older than all others.
"""

from __future__ import annotations

import atexit
import logging
import re
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from steeldefect.analysis.results import write_result
from steeldefect.analysis.sql_interruption import interruptible
from steeldefect.errors import QueryError, StoreError, StoreUnavailableError, TableError
from steeldefect.publish.wave_records import pending_records
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

__all__ = [
    "choose_bundle",
    "kaggle_result",
    "kaggle_rows",
    "limit_memory",
    "open_database",
    "opened_database",
    "query",
    "query_result",
    "relation_names",
    "write_result",
]

_LOG = logging.getLogger(__name__)

_INTERRUPTED = "Query interrupted"  # DuckDB's message when a signal handler raised an exception
_MEMORY = "256MB"  # of a database whose memory is limited
_FAILED_SCAN = re.compile(r"the stream registered as '(?P<table>\w+)' failed: (?P<problem>.*)")
_DAMAGED = re.compile(r"Invalid|[Nn]ot found|No such file|NotImplemented|TypeError")

_OPENED = (
    TableName.IMAGES,
    TableName.QUARANTINE,
    TableName.PREDICTIONS,
    TableName.DEFECTS,
    TableName.MASK_LEVELS,
    TableName.AGREEMENT,
    TableName.REVIEWS,
    TableName.CONFUSIONS,
    TableName.METRICS,
    TableName.DRIFT,
    TableName.REPEATS,
    TableName.RUNS,
)
"""The tables in the order in which they are opened: a table comes before those it refers to.

A wave is committed to `defects` and `predictions` before `images`, and a run to `runs` before all.
So a reader who sees a row of `images` also sees its findings and its run, although the tables are
opened one after another.
"""

_STORED = {
    table: f"stored_{table.value}"
    for table in (TableName.RUNS, TableName.PREDICTIONS, TableName.DEFECTS)
}
"""Names under which tables are registered whose own name is that of a view over them."""

_VIEWS = """
CREATE VIEW runs AS
SELECT * REPLACE (coalesce(engine, took) AS engine, coalesce(took, engine) AS took)
FROM stored_runs;
CREATE VIEW leading_runs AS SELECT * FROM runs WHERE shadow_of IS NULL;
CREATE VIEW predictions AS SELECT * FROM stored_predictions WHERE audit IS NOT TRUE;
CREATE VIEW defects AS SELECT * FROM stored_defects WHERE audit IS NOT TRUE;
CREATE VIEW audit_predictions AS SELECT * FROM stored_predictions WHERE audit;
CREATE VIEW audit_defects AS SELECT * FROM stored_defects WHERE audit;
CREATE VIEW newest_images AS
SELECT *,
    CASE WHEN count(*) OVER (PARTITION BY bundle, image_id) = 1 THEN image_id
         WHEN count(*) OVER (PARTITION BY bundle, key) = 1 THEN key
         ELSE source || '/' || key END AS name
FROM (
    SELECT * FROM images
    QUALIFY row_number() OVER (
        PARTITION BY bundle, source, key ORDER BY run_number DESC NULLS LAST, scored_at DESC
    ) = 1
);
CREATE VIEW newest_predictions AS
SELECT predictions.* FROM predictions
SEMI JOIN newest_images USING (source, key, run_id);
CREATE VIEW newest_defects AS
SELECT defects.* FROM defects
SEMI JOIN newest_images USING (source, key, run_id) WHERE kept;
CREATE VIEW newest_rejected AS
SELECT defects.* FROM defects
SEMI JOIN newest_images USING (source, key, run_id) WHERE NOT kept;
CREATE VIEW newest_reviews AS
SELECT reviews.* FROM reviews
SEMI JOIN (
    SELECT source, key, etag, class_name, review FROM reviews
    QUALIFY row_number() OVER (
        PARTITION BY source, key, etag, class_name
        ORDER BY run_number DESC, reviewed_at DESC, review
    ) = 1
) USING (source, key, etag, class_name, review);
CREATE VIEW not_scored AS
SELECT *,
    CASE WHEN NOT transient THEN 'final'
         WHEN given_up THEN 'given up, transient'
         ELSE 'tried again by the next run' END AS state
FROM quarantine AS failed
WHERE run_id NOT IN (SELECT run_id FROM runs WHERE shadow_of IS NOT NULL) AND NOT EXISTS (
    SELECT 1 FROM images
    WHERE images.source = failed.source AND images.key = failed.key
      AND images.bundle = failed.bundle
      AND (coalesce(images.run_number, 0) > coalesce(failed.run_number, 0)
        OR coalesce(images.run_number, 0) = coalesce(failed.run_number, 0)
       AND images.scored_at >= failed.scored_at)
)
QUALIFY row_number() OVER (
    PARTITION BY bundle, source, key ORDER BY run_number DESC NULLS LAST, scored_at DESC
) = 1;
"""


def open_database(store: Store) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database in which the tables of an output are views.

    Use it in a `with` statement, or close it: that ends the scans of queries that were not read to
    their end. A database that is still open when Python exits is closed then.

    Raises:
        TableError: no run has written to this output, or a table cannot be read.
    """
    tables = Tables(store)
    if tables.open(TableName.RUNS) is None:
        raise TableError(
            f"no tables at {store.uri}; --output is the folder or s3:// prefix that jobs/score.py "
            "wrote to"
        )
    if pending_records(store):
        _LOG.warning(
            "a wave is being published at %s, or a run died while publishing it: some tables may "
            "not have its rows yet; the next run completes it",
            store.uri,
        )
    datasets = {table: tables.dataset(table) for table in _OPENED}
    connection = duckdb.connect(":memory:")
    _DATABASES.add(connection)
    connection.execute("SET TimeZone = 'UTC'")  # then the days of scored_at match scored_date
    for table, dataset in datasets.items():
        connection.register(_STORED.get(table, table.value), dataset)
    connection.execute(_VIEWS)
    return connection


def relation_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the names of the tables and views of a database that `open_database` opened."""
    found = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    return sorted({name for (name,) in found} - set(_STORED.values()))


_DATABASES: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()


def _close_databases() -> None:
    for connection in list(_DATABASES):
        connection.close()


# Python runs this before the exit function of `tables.remote_files`: databases release their scans
atexit.register(_close_databases)


@contextmanager
def opened_database(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database as `open_database` does, and close it when the block ends.

    DuckDB's errors become errors of this project.

    Raises:
        QueryError: DuckDB refused a statement, or failed while its result was read.
        TableError: no run has written to this output, or a table cannot be read.
        StoreUnavailableError: the store does not answer.
        KeyboardInterrupt: a signal asked the program to end while a statement was running.
    """
    with open_database(store) as connection, explained_errors(connection, store):
        yield connection


def limit_memory(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    """Let a database use little memory; what needs more goes to temporary files in a folder."""
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    quoted = folder.replace("'", "''")
    connection.execute(f"SET temp_directory = '{quoted}'")
    connection.execute("SET preserve_insertion_order = false")


@contextmanager
def explained_errors(connection: duckdb.DuckDBPyConnection, store: Store) -> Iterator[None]:
    """Raise DuckDB's errors of the block as errors of this project; see `opened_database`."""
    with interruptible(connection):
        try:
            yield
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except RuntimeError as error:
            if str(error) == _INTERRUPTED:
                raise KeyboardInterrupt from None
            raise
        except duckdb.Error as error:
            raise _explained(error, store) from None


def _explained(error: duckdb.Error, store: Store) -> TableError | StoreError | QueryError:
    """Return this project's error for an error of DuckDB: of a table, the store or the query."""
    text = " ".join(str(error).split())
    failed = _FAILED_SCAN.search(text)
    if failed is None:
        names = ", ".join(table.value for table in TableName)
        return QueryError(f"{text}; tables: {names}")
    table = failed["table"].removeprefix("stored_")
    where = f"table {store.uri}/{table}: {failed['problem']}"
    if _DAMAGED.search(failed["problem"]):
        return TableError(f"{where}; restore the file, or remove it from the table")
    return StoreUnavailableError(f"{where}; check the store, and run the query again")


@contextmanager
def query_result(store: Store, statement: str) -> Iterator[duckdb.DuckDBPyRelation | None]:
    """Run one SQL statement; its result can be read while the block runs.

    Yields:
        Result of the statement; None for a statement without one, such as `SET`.

    Raises:
        QueryError, TableError, StoreUnavailableError, KeyboardInterrupt: see `opened_database`.
    """
    with opened_database(store) as connection:
        yield connection.sql(statement)


def query(store: Store, statement: str) -> pa.Table:
    """Run one SQL statement, and return its whole result.

    Raises:
        QueryError, TableError, StoreUnavailableError, KeyboardInterrupt: see `opened_database`.
    """
    with query_result(store, statement) as relation:
        return pa.table({}) if relation is None else relation.to_arrow_table()


@contextmanager
def kaggle_result(
    store: Store, bundle: str | None, all_pairs: bool
) -> Iterator[duckdb.DuckDBPyRelation]:
    """List findings as `kaggle_rows` does; the result can be read while the block runs."""
    with opened_database(store) as connection:
        digest = choose_bundle(connection, bundle)
        yield connection.sql(_ALL_PAIRS if all_pairs else _FOUND, params=[digest])


def kaggle_rows(store: Store, bundle: str | None, all_pairs: bool) -> pa.Table:
    """List findings in Kaggle's columns: ImageId, ClassId, EncodedPixels.

    ImageId is the picture's file name. It is the picture's key where the archive has several
    pictures of that file name, and the whole address where several inputs have that key.

    Args:
        store: the output.
        bundle: digest of a bundle, or the digest's first characters; None for the bundle of the
            latest scoring run.
        all_pairs: whether a picture and class without a finding has a row too, with empty
            EncodedPixels, as in Kaggle's submissions.

    Raises:
        TableError: no such bundle in the tables, or no tables.
    """
    with kaggle_result(store, bundle, all_pairs) as relation:
        return relation.to_arrow_table()


def choose_bundle(connection: duckdb.DuckDBPyConnection, bundle: str | None) -> str:
    """Return the digest of a bundle, given its first characters; None: the latest that led a run.

    Raises:
        TableError: no bundle fits, or several do.
    """
    found: Sequence[tuple[str, bool]] = connection.execute(_BUNDLES, [bundle or ""]).fetchall()
    if not found:
        what = "nothing was scored" if bundle is None else f"no bundle begins with {bundle!r}"
        raise TableError(f"{what} in these tables; see the table runs")
    led = sum(led for _, led in found)
    if bundle is None and led > 1:
        _LOG.warning(
            "%d bundles have scored here; taking the latest, %s; --bundle DIGEST takes another",
            led,
            found[0][0][:12],
        )
    if bundle and len(found) > 1:
        raise TableError(f"{len(found)} bundles begin with {bundle}; give more digits")
    return found[0][0]


# a bundle that was only a shadow so far comes after all others
_BUNDLES = """
WITH shadows AS (SELECT run_id FROM runs WHERE shadow_of IS NOT NULL),
scored AS (
    SELECT bundle, run_number, scored_at, run_id IN (FROM shadows) AS beside FROM images
    WHERE starts_with(bundle, ?)
)
SELECT bundle, bool_or(NOT beside) AS led FROM scored
GROUP BY bundle
ORDER BY led DESC, max(run_number) FILTER (NOT beside) DESC NULLS LAST,
    max(scored_at) FILTER (NOT beside) DESC NULLS LAST, bundle
"""
_FOUND = """
SELECT name AS ImageId, class_id AS ClassId, run_lengths AS EncodedPixels
FROM newest_images JOIN predictions USING (source, key, run_id)
WHERE newest_images.bundle = ?
ORDER BY name, class_id
"""
_ALL_PAIRS = """
WITH classes AS (
    SELECT DISTINCT unnest(json_keys(classes))::INTEGER AS class_id
    FROM runs WHERE job = 'score' AND bundle = $1
)
SELECT name AS ImageId, class_id AS ClassId, coalesce(run_lengths, '') AS EncodedPixels
FROM newest_images CROSS JOIN classes
LEFT JOIN predictions USING (source, key, run_id, class_id)
WHERE newest_images.bundle = $1
ORDER BY name, class_id
"""
