"""The tables of an output, for pandas, Arrow, Polars and DuckDB."""

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
    """Open the tables of an output. Rows are read when an answer is.

    Use it in a `with` statement, or call `close`.

    Args:
        output: the tables: a folder or `s3://bucket/prefix`.
        settings: how S3 is reached: `ScoreSettings`, a mapping, or a YAML file.

    Raises:
        TableError: nothing was ever scored into this output, or a table cannot be read.

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
        connection: DuckDB's own; it has every table and view under its name.
    """

    def __init__(self, store: Store) -> None:
        """Use `open_tables`."""
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
        """Close the database; answers can no longer be read."""
        self.connection.close()

    def sql(self, statement: str, parameters: Sequence[Any] | None = None) -> QueryResult:
        """Return the answer to a statement in DuckDB's SQL.

        Args:
            statement: over the tables and views.
            parameters: values for each `?` of the statement.

        Raises:
            QueryError: DuckDB refuses the statement.
        """
        with explained_errors(self.connection, self._store):
            relation = self.connection.sql(statement, params=parameters)
        return QueryResult(relation, self.connection, self._store)

    @property
    def images(self) -> QueryResult:
        """Each picture that was scored, by each run that scored it."""
        return self._whole("images")

    @property
    def predictions(self) -> QueryResult:
        """Each defect class that was found on a picture."""
        return self._whole("predictions")

    @property
    def quarantine(self) -> QueryResult:
        """Each picture that could not be scored, each time it was tried."""
        return self._whole("quarantine")

    @property
    def confusions(self) -> QueryResult:
        """Pixels counted against true masks, for each picture and class."""
        return self._whole("confusions")

    @property
    def metrics(self) -> QueryResult:
        """Each number of each evaluation."""
        return self._whole("metrics")

    @property
    def runs(self) -> QueryResult:
        """Each run of a job."""
        return self._whole("runs")

    @property
    def newest_images(self) -> QueryResult:
        """Of each picture and bundle, what the newest run said."""
        return self._whole("newest_images")

    @property
    def newest_predictions(self) -> QueryResult:
        """What was found on the `newest_images`."""
        return self._whole("newest_predictions")

    @property
    def not_scored(self) -> QueryResult:
        """The newest failure of each picture that no later run has scored."""
        return self._whole("not_scored")

    def _whole(self, name: str) -> QueryResult:
        with explained_errors(self.connection, self._store):
            relation = self.connection.table(name)
        return QueryResult(relation, self.connection, self._store)


class QueryResult:
    """The answer to a statement. `str()` returns it as a table for people.

    Attributes:
        relation: DuckDB's own; None where there was no statement.
    """

    def __init__(
        self,
        relation: duckdb.DuckDBPyRelation | None,
        connection: duckdb.DuckDBPyConnection,
        store: Store,
    ) -> None:
        """Use `OpenedTables.sql`."""
        self.relation = relation
        self._connection = connection
        self._store = store

    def __str__(self) -> str:
        """Return the rows as a table for people."""
        with explained_errors(self._connection, self._store):
            return "".join(piece.text for piece in text_pieces(self.relation, Form.TABLE)).rstrip(
                "\n"
            )

    def arrow(self) -> pa.Table:
        """Read the answer as an Arrow table.

        Raises:
            QueryError: there was no statement, or it fails while its rows are read.
            TableError, StoreUnavailableError: a table cannot be read.
        """
        with explained_errors(self._connection, self._store):
            return self._rows().to_arrow_table()

    def pandas(self) -> pd.DataFrame:
        """Read the answer as a pandas DataFrame; raises as `arrow` does."""
        with explained_errors(self._connection, self._store):
            frame: pd.DataFrame = self._rows().df()
        return frame

    def polars(self) -> pl.DataFrame:
        """Read the answer as a Polars DataFrame; raises as `arrow` does.

        Raises:
            SettingsError: Polars is not installed.
        """
        try:
            import polars
        except ImportError:
            raise SettingsError(
                "Polars is not installed; pip install 'steeldefect[polars]'"
            ) from None
        return polars.from_arrow(self.arrow())

    def _rows(self) -> duckdb.DuckDBPyRelation:
        if self.relation is None:
            raise QueryError("there is no statement; give a query")
        return self.relation
