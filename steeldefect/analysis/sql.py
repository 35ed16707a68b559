"""SQL over the tables of one output, by DuckDB, without a server.

Every table is there under its own name, empty where it was not written yet, and three views:
`newest_images` and `newest_predictions`, of each picture and bundle what the newest run said (a
picture that was replaced in the archive is scored again), and `not_scored`, the newest failure of
each picture that no later run has scored.

Runs are ordered by `run_number`, whatever the clocks of their hosts said; rows of versions before
0.2 have none, and are older than all others.
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

from steeldefect.analysis.answers import write_answer
from steeldefect.analysis.sql_interruption import interruptible
from steeldefect.errors import QueryError, StoreError, StoreUnavailableError, TableError
from steeldefect.publish.wave_records import pending_records
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

__all__ = [
    "answer",
    "answered",
    "asked",
    "choose_bundle",
    "kaggle_answered",
    "kaggle_rows",
    "open_database",
    "write_answer",
]

_LOG = logging.getLogger(__name__)

_INTERRUPTED = "Query interrupted"  # how DuckDB puts what a signal handler raised
_FAILED_SCAN = re.compile(r"the stream registered as '(?P<table>\w+)' failed: (?P<problem>.*)")
_DAMAGED = re.compile(r"Invalid|[Nn]ot found|No such file|NotImplemented|TypeError")

_OPENED = (
    TableName.IMAGES,
    TableName.QUARANTINE,
    TableName.PREDICTIONS,
    TableName.CONFUSIONS,
    TableName.METRICS,
    TableName.RUNS,
)
"""The order in which tables are opened: what refers to others before what it refers to.

A wave is committed to `predictions` before `images`, and a run to `runs` before both. So a row of
`images` that is seen has its findings and its run, although the tables have no version in common.
"""

_STORED = {TableName.RUNS: "stored_runs"}
"""Tables that a view of their own name shows; the others are registered by their name."""

_VIEWS = """
CREATE VIEW runs AS
SELECT * REPLACE (coalesce(engine, took) AS engine, coalesce(took, engine) AS took)
FROM stored_runs;
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
CREATE VIEW not_scored AS
SELECT *,
    CASE WHEN NOT transient THEN 'final'
         WHEN given_up THEN 'given up, transient'
         ELSE 'tried again by the next run' END AS state
FROM quarantine AS failed
WHERE NOT EXISTS (
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

    Use it in a `with` statement, or close it: scans that a query left early then end. A database
    that is still open when Python exits is closed there.

    Raises:
        TableError: nothing was ever scored into this output, or a table cannot be read.
    """
    tables = Tables(store)
    if tables.open(TableName.RUNS) is None:
        raise TableError(
            f"no tables at {store.uri}; --output is the folder or s3:// prefix that jobs/score.py "
            "wrote to"
        )
    if pending_records(store):
        _LOG.warning(
            "a wave is being published at %s, or a run died while it was: its rows may be in some "
            "tables and not yet in others; the next run completes it",
            store.uri,
        )
    datasets = {table: tables.dataset(table) for table in _OPENED}
    connection = duckdb.connect(":memory:")
    _DATABASES.add(connection)
    connection.execute("SET TimeZone = 'UTC'")  # days of scored_at are those of scored_date
    for table, dataset in datasets.items():
        connection.register(_STORED.get(table, table.value), dataset)
    connection.execute(_VIEWS)
    return connection


_DATABASES: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()


def _close_databases() -> None:
    for connection in list(_DATABASES):
        connection.close()


# Python calls this before what `tables.remote_files` registered: databases let go of scans
atexit.register(_close_databases)


@contextmanager
def asked(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database for the length of a block, and say in this project's errors what fails.

    Raises:
        QueryError: DuckDB refused a statement, or failed while its answer was read.
        TableError: nothing was ever scored into this output, or a table cannot be read.
        StoreUnavailableError: the store does not answer.
        KeyboardInterrupt: somebody asked the program to end while DuckDB was at work.
    """
    with open_database(store) as connection, explained_errors(connection, store):
        yield connection


@contextmanager
def explained_errors(connection: duckdb.DuckDBPyConnection, store: Store) -> Iterator[None]:
    """Say in this project's errors what fails in a block that asks a database; see `asked`."""
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
    """Tell a table that cannot be read from a statement that cannot."""
    text = " ".join(str(error).split())
    failed = _FAILED_SCAN.search(text)
    if failed is None:
        names = ", ".join(table.value for table in TableName)
        return QueryError(f"{text}; tables: {names}")
    table = failed["table"].removeprefix("stored_")
    where = f"table {store.uri}/{table}: {failed['problem']}"
    if _DAMAGED.search(failed["problem"]):
        return TableError(f"{where}; bring the file back, or take it out of the table")
    return StoreUnavailableError(f"{where}; check the store, and ask again")


@contextmanager
def answered(store: Store, statement: str) -> Iterator[duckdb.DuckDBPyRelation | None]:
    """Answer one SQL statement, as a relation that is read while the block runs.

    Yields:
        The answer; None where the statement gives none.

    Raises:
        QueryError, TableError, StoreUnavailableError, KeyboardInterrupt: see `asked`.
    """
    with asked(store) as connection:
        yield connection.sql(statement)


def answer(store: Store, statement: str) -> pa.Table:
    """Answer one SQL statement, whole.

    Raises:
        QueryError: DuckDB refused the statement.
        TableError: nothing was ever scored into this output.
    """
    with answered(store, statement) as relation:
        return pa.table({}) if relation is None else relation.to_arrow_table()


@contextmanager
def kaggle_answered(
    store: Store, bundle: str | None, all_pairs: bool
) -> Iterator[duckdb.DuckDBPyRelation]:
    """List predictions as `kaggle_rows` does, as a relation that is read while the block runs."""
    with asked(store) as connection:
        digest = choose_bundle(connection, bundle)
        yield connection.sql(_ALL_PAIRS if all_pairs else _FOUND, params=[digest])


def kaggle_rows(store: Store, bundle: str | None, all_pairs: bool) -> pa.Table:
    """List predictions as Kaggle's file has them: ImageId, ClassId, EncodedPixels.

    A picture that two folders of the archive hold under one file name goes by its key; one whose
    key two inputs share goes by its whole address.

    Args:
        store: the output.
        bundle: digest or its beginning; None for the bundle of the latest scoring run.
        all_pairs: give a row with empty EncodedPixels for each picture and class of the bundle
            where nothing was found, as Kaggle's submissions do.

    Raises:
        TableError: no such bundle among the runs, or no tables.
    """
    with kaggle_answered(store, bundle, all_pairs) as relation:
        return relation.to_arrow_table()


def choose_bundle(connection: duckdb.DuckDBPyConnection, bundle: str | None) -> str:
    """Find a bundle by the beginning of its digest; None takes the latest that scored.

    Raises:
        TableError: none or several fit.
    """
    found: Sequence[tuple[str]] = connection.execute(
        "SELECT bundle FROM images WHERE starts_with(bundle, ?) "
        "GROUP BY bundle ORDER BY max(run_number) DESC NULLS LAST, max(scored_at) DESC",
        [bundle or ""],
    ).fetchall()
    if not found:
        what = "nothing was scored" if bundle is None else f"no bundle begins with {bundle!r}"
        raise TableError(f"{what} in these tables; see the table runs")
    if bundle is None and len(found) > 1:
        _LOG.warning(
            "%d bundles have scored here; taking the latest, %s; --bundle DIGEST takes another",
            len(found),
            found[0][0][:12],
        )
    if bundle and len(found) > 1:
        raise TableError(f"{len(found)} bundles begin with {bundle}; give more digits")
    return found[0][0]


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
