"""The tables for pandas, Arrow, Polars and DuckDB."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.examples import finish, image, one_of_each, origin, publish

import steeldefect
from steeldefect.errors import QueryError, SettingsError, TableError
from steeldefect.stores import Store
from steeldefect.tables.schema import SCHEMAS, TableName


@pytest.fixture
def output(store: Store) -> str:
    """Two runs: the second one scored a picture again."""
    publish(store, one_of_each())
    publish(store, {TableName.IMAGES: [image(verdict="clean", defects=0)]}, origin(1))
    finish(store)
    finish(store, origin(1))
    return store.uri


def test_every_table_and_view_is_there_in_every_form(output: str) -> None:
    views = (
        "audit_predictions",
        "leading_runs",
        "newest_images",
        "newest_predictions",
        "newest_defects",
        "newest_rejected",
        "newest_reviews",
        "not_scored",
    )
    with steeldefect.open_tables(output) as tables:
        for name in (*(table.value for table in TableName), *views):
            result = getattr(tables, name)
            arrow = result.arrow()
            assert isinstance(arrow, pa.Table)
            frame, polars = result.pandas(), result.polars()
            assert isinstance(frame, pd.DataFrame)
            assert isinstance(polars, pl.DataFrame)
            assert list(frame.columns) == polars.columns == arrow.column_names
            assert len(frame) == len(polars) == arrow.num_rows
            if name not in views:
                assert arrow.column_names == SCHEMAS[TableName(name)].columns.names
        assert tables.images.arrow().num_rows == 2
        assert tables.newest_images.arrow()["verdict"].to_pylist() == ["clean"]


def test_sql_takes_parameters(output: str) -> None:
    with steeldefect.open_tables(Path(output)) as tables:
        counts = "select verdict, count(*) as n from images where verdict <> ? group by 1"
        result = tables.sql(counts, ["clean"])
        assert result.arrow().to_pylist() == [{"verdict": "defect", "n": 1}]
        assert str(result).split() == ["verdict", "n", "defect", "1"]
        assert result.polars()["n"].to_list() == [1]
        tables.sql("create view bad as select key from images where defects > 0")
        assert tables.connection.sql("from bad").fetchall() == [("a.png",)]
        with pytest.raises(QueryError, match="no statement; give a query"):
            tables.sql("-- no statement").pandas()


def test_mistakes_are_errors_of_this_project_with_the_nearest_name(output: str) -> None:
    with steeldefect.open_tables(output) as tables:
        with pytest.raises(QueryError, match='Did you mean "images"'):
            tables.sql("select * from image")
        with pytest.raises(QueryError, match='Candidate bindings: "verdict"'):
            tables.sql("select verdit from images")
        with pytest.raises(QueryError, match="Conversion Error"):
            tables.sql("select key::int from images").arrow()


def test_results_cannot_be_read_after_the_end(output: str) -> None:
    with steeldefect.open_tables(output) as tables:
        late = tables.images
    with pytest.raises(duckdb.ConnectionException):
        tables.connection.sql("select 1")
    with pytest.raises(QueryError, match="closed"):
        late.arrow()


def test_there_must_be_tables(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no tables at"):
        steeldefect.open_tables(tmp_path)


def test_polars_is_an_extra(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)  # what an import of a missing one finds
    with (
        steeldefect.open_tables(output) as tables,
        pytest.raises(SettingsError, match=r"pip install 'steeldefect\[polars\]'"),
    ):
        tables.images.polars()
