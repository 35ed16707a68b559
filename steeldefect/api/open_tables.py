"""Open the tables of an output for pandas, Arrow, Polars and DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa

from steeldefect.analysis.forms import Form
from steeldefect.analysis.results import text_pieces
from steeldefect.analysis.sql import explained_errors, open_database
from steeldefect.errors import QueryError, SettingsError
from steeldefect.settings import GivenSettings, settings_from
from steeldefect.stores import Store, open_store

if TYPE_CHECKING:
    import polars as pl


def open_tables(output: str | Path, *, settings: GivenSettings = None) -> OpenedTables:
    """Open the tables of an output. Rows are read only when a result is read.

    Use it in a `with` statement, or call `close`.

    Args:
        output: address of the tables: a folder or `s3://bucket/prefix`.
        settings: settings, of which those of S3 are used: `ScoreSettings`, a mapping, or the path
            of a YAML file.

    Raises:
        TableError: no run has written to this output, or a table cannot be read.

    Example:
        >>> import steeldefect
        >>> with steeldefect.open_tables("demo/output") as tables:
        ...     frame = tables.newest_images.pandas()
        ...     counts = tables.sql("select verdict, count(*) as n from images group by 1").arrow()
        >>> "gate_probability" in frame.columns
        True
        >>> counts.column_names
        ['verdict', 'n']
    """
    return OpenedTables(open_store(str(output), settings_from(settings).s3))


class OpenedTables:
    """The tables of an output at one moment, and views of them; see `open_tables`.

    Attributes:
        connection: DuckDB connection; every table and view has its name in it.
    """

    def __init__(self, store: Store) -> None:
        """Open the database; call `open_tables` instead."""
        self.connection = open_database(store)
        self._store = store

    def __enter__(self) -> OpenedTables:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the database."""
        self.close()

    def close(self) -> None:
        """Close the database; results can no longer be read."""
        self.connection.close()

    def sql(self, statement: str, parameters: Sequence[Any] | None = None) -> QueryResult:
        """Return the result of a statement in DuckDB's SQL.

        Args:
            statement: one statement; it may use all tables and views.
            parameters: a value for each `?` of the statement.

        Raises:
            QueryError: DuckDB refuses the statement.
        """
        with explained_errors(self.connection, self._store):
            relation = self.connection.sql(statement, params=parameters)
        return QueryResult(relation, self.connection, self._store)

    @property
    def images(self) -> QueryResult:
        """Scored pictures: one row for each picture and each run that scored it."""
        return self._whole("images")

    @property
    def predictions(self) -> QueryResult:
        """Findings: one row for each defect class found on a picture, in each run."""
        return self._whole("predictions")

    @property
    def defects(self) -> QueryResult:
        """Regions: one row for each separate region of a class, kept or removed, in each run."""
        return self._whole("defects")

    @property
    def audit_predictions(self) -> QueryResult:
        """Findings of the audit of the gate, on pictures that the gate stopped, in each run."""
        return self._whole("audit_predictions")

    @property
    def audit_defects(self) -> QueryResult:
        """Regions that the audit of the gate found, in each run."""
        return self._whole("audit_defects")

    @property
    def mask_levels(self) -> QueryResult:
        """Masks at other thresholds: one row for each mask that the setting `mask_levels` kept."""
        return self._whole("mask_levels")

    @property
    def quarantine(self) -> QueryResult:
        """Failures: one row for each picture and each run that could not score it."""
        return self._whole("quarantine")

    @property
    def reviews(self) -> QueryResult:
        """Reviews: one row for each class on each picture that a person has reviewed."""
        return self._whole("reviews")

    @property
    def confusions(self) -> QueryResult:
        """Counts of pixels and defects: one row for each compared picture and class."""
        return self._whole("confusions")

    @property
    def metrics(self) -> QueryResult:
        """Metrics: one row for each metric of each evaluation."""
        return self._whole("metrics")

    @property
    def agreement(self) -> QueryResult:
        """Two bundles side by side: one row for each class on each picture that both scored."""
        return self._whole("agreement")

    @property
    def drift(self) -> QueryResult:
        """What the watch compared: one row for each quantity, camera and watched run."""
        return self._whole("drift")

    @property
    def repeats(self) -> QueryResult:
        """Marks that repeat: one row for each roll on a coil, and for each fixed place."""
        return self._whole("repeats")

    @property
    def runs(self) -> QueryResult:
        """Runs: one row for each run of a job."""
        return self._whole("runs")

    @property
    def leading_runs(self) -> QueryResult:
        """The rows of `runs` without those of shadows."""
        return self._whole("leading_runs")

    @property
    def newest_images(self) -> QueryResult:
        """For each picture and bundle, the row of `images` of the newest run."""
        return self._whole("newest_images")

    @property
    def newest_predictions(self) -> QueryResult:
        """The findings that belong to the rows of `newest_images`."""
        return self._whole("newest_predictions")

    @property
    def newest_defects(self) -> QueryResult:
        """The defects on the pictures of `newest_images`: the regions that count."""
        return self._whole("newest_defects")

    @property
    def newest_rejected(self) -> QueryResult:
        """The regions on these pictures that minimum areas removed."""
        return self._whole("newest_rejected")

    @property
    def newest_reviews(self) -> QueryResult:
        """The newest review of each class on each version of a picture."""
        return self._whole("newest_reviews")

    @property
    def not_scored(self) -> QueryResult:
        """The newest failure of each picture that no later run has scored; not those of shadows."""
        return self._whole("not_scored")

    def _whole(self, name: str) -> QueryResult:
        with explained_errors(self.connection, self._store):
            relation = self.connection.table(name)
        return QueryResult(relation, self.connection, self._store)


class QueryResult:
    """The result of a statement. `str()` returns it as a text table.

    Attributes:
        relation: DuckDB relation; None if the statement has no result, such as `SET`.
    """

    def __init__(
        self,
        relation: duckdb.DuckDBPyRelation | None,
        connection: duckdb.DuckDBPyConnection,
        store: Store,
    ) -> None:
        """Store the relation; call `OpenedTables.sql` instead."""
        self.relation = relation
        self._connection = connection
        self._store = store

    def __str__(self) -> str:
        """Return the rows as a text table."""
        with explained_errors(self._connection, self._store):
            return "".join(piece.text for piece in text_pieces(self.relation, Form.TABLE)).rstrip(
                "\n"
            )

    def arrow(self) -> pa.Table:
        """Read the result as an Arrow table.

        Raises:
            QueryError: the statement has no result, or fails while its rows are read.
            TableError, StoreUnavailableError: a table cannot be read.
        """
        with explained_errors(self._connection, self._store):
            return self._rows().to_arrow_table()

    def pandas(self) -> pd.DataFrame:
        """Read the result as a pandas DataFrame; it raises the errors of `arrow`."""
        with explained_errors(self._connection, self._store):
            frame: pd.DataFrame = self._rows().df()
        return frame

    def polars(self) -> pl.DataFrame:
        """Read the result as a Polars DataFrame; it raises the errors of `arrow`, too.

        Raises:
            SettingsError: Polars is not installed.
        """
        try:
            import polars
        except ImportError:
            raise SettingsError(
                "Polars is not installed; run: pip install 'steeldefect[polars]'"
            ) from None
        return polars.from_arrow(self.arrow())

    def _rows(self) -> duckdb.DuckDBPyRelation:
        if self.relation is None:
            raise QueryError("there is no statement; give a query")
        return self.relation
