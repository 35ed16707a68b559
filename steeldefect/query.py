"""SQL over the tables of one output, by DuckDB, without a server.

Every table is there under its own name, empty where it was not written yet, and three views:
`newest_images` and `newest_predictions`, of each picture and bundle what the newest run said (a
picture that was replaced in the archive is scored again), and `not_scored`, the newest failure of
each picture that no later run has scored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from steeldefect.commit import Tables
from steeldefect.errors import QueryError, TableError
from steeldefect.stores import Store
from steeldefect.tables import TableName

_LOG = logging.getLogger(__name__)

_VIEWS = """
CREATE VIEW newest_images AS
SELECT *,
    CASE WHEN count(*) OVER (PARTITION BY bundle, image_id) = 1 THEN image_id
         WHEN count(*) OVER (PARTITION BY bundle, key) = 1 THEN key
         ELSE source || '/' || key END AS name
FROM (
    SELECT * FROM images
    QUALIFY row_number() OVER (PARTITION BY bundle, source, key ORDER BY scored_at DESC) = 1
);
CREATE VIEW newest_predictions AS
SELECT predictions.* FROM predictions
SEMI JOIN newest_images USING (source, key, run_id);
CREATE VIEW not_scored AS
SELECT * FROM quarantine AS failed
WHERE NOT EXISTS (
    SELECT 1 FROM images
    WHERE images.source = failed.source AND images.key = failed.key
      AND images.bundle = failed.bundle AND images.scored_at >= failed.scored_at
)
QUALIFY row_number() OVER (PARTITION BY bundle, source, key ORDER BY scored_at DESC) = 1;
"""


def open_database(store: Store) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database in which the tables of an output are views.

    Raises:
        TableError: nothing was ever scored into this output.
    """
    tables = Tables(store)
    if tables.open(TableName.RUNS) is None:
        raise TableError(
            f"no tables at {store.uri}; --output is the folder or s3:// prefix that jobs/score.py "
            "wrote to"
        )
    if tables.pending():
        _LOG.warning(
            "a wave is being published at %s, or a run died while it was: its rows may be in some "
            "tables and not yet in others; the next run completes it",
            store.uri,
        )
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")  # days of scored_at are those of scored_date
    for table in TableName:
        connection.register(table.value, tables.dataset(table))
    connection.execute(_VIEWS)
    return connection


def answer(store: Store, statement: str) -> pa.Table:
    """Answer one SQL statement.

    Raises:
        QueryError: DuckDB refused the statement.
        TableError: nothing was ever scored into this output.
    """
    connection = open_database(store)
    try:
        relation = connection.sql(statement)
        # statements that answer nothing, such as SET, give no relation
        return pa.table({}) if relation is None else relation.to_arrow_table()
    except duckdb.Error as error:
        names = ", ".join(table.value for table in TableName)
        raise QueryError(f"{error}; tables: {names}") from None


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
    connection = open_database(store)
    digest = choose_bundle(connection, bundle)
    statement = _ALL_PAIRS if all_pairs else _FOUND
    return connection.sql(statement, params=[digest]).to_arrow_table()


def choose_bundle(connection: duckdb.DuckDBPyConnection, bundle: str | None) -> str:
    """Find a bundle by the beginning of its digest; None takes the latest that scored.

    Raises:
        TableError: none or several fit.
    """
    found: Sequence[tuple[str]] = connection.execute(
        "SELECT bundle FROM images WHERE starts_with(bundle, ?) "
        "GROUP BY bundle ORDER BY max(scored_at) DESC",
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


def write_answer(rows: pa.Table, form: str) -> str:
    """Write rows as text: `table`, `csv` or `json` (one object a line)."""
    # Arrow's own types: pandas' would turn whole numbers beside nulls into fractions
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    if form == "csv":
        return str(frame.to_csv(index=False)).rstrip("\n")
    if form == "json":
        return str(
            frame.to_json(orient="records", lines=True, date_format="iso", date_unit="us")
        ).rstrip("\n")
    if frame.empty:
        return "(no rows) " + ", ".join(frame.columns)
    return str(frame.to_string(index=False, max_colwidth=60))


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
