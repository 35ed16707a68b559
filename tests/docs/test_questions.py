"""docs/tables.md: its questions have the same answers in DuckDB and Spark; its Python code runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from documents import ROOT
from pyspark.sql import SparkSession
from support.asked_plant import build_plant
from support.demo_folder import working_in

from steeldefect.analysis.sql import query
from steeldefect.bundle.files import Bundle
from steeldefect.cli import main
from steeldefect.stores import open_store

pytestmark = pytest.mark.spark

TEXT = (ROOT / "docs/tables.md").read_text(encoding="utf-8")
LEAST_QUESTIONS = 20


def section(title: str) -> str:
    """Return the part of the document below a heading of the second level."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.DOTALL | re.MULTILINE)


QUESTIONS = {
    block.partition("\n")[0].removeprefix("-- "): block
    for block in blocks("Common questions", "sql")
}


@pytest.fixture(scope="module")
def beside_demo(rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo/output`, and its export in `demo/parquet`."""
    folder = tmp_path_factory.mktemp("here")
    plant = build_plant(folder / "demo", rule_bundle)
    exported = ["--parquet", str(folder / "demo/parquet"), "--output", str(plant.output)]
    assert main(["export", *exported]) == 0
    return folder


@pytest.fixture(scope="module")
def spark(beside_demo: Path) -> Iterator[SparkSession]:
    """A session that starts when the plant's jobs have stopped theirs."""
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def asked_spark(beside_demo: Path, spark: SparkSession) -> SparkSession:
    """A session of another time zone, with the export as temporary views."""
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    for folder in (beside_demo / "demo/parquet").iterdir():
        session.read.parquet(str(folder)).createOrReplaceTempView(folder.name)
    return session


def plain(value: Any) -> Any:
    """Return whole numbers as int: DuckDB sums to decimals, Spark to int64."""
    return int(value) if isinstance(value, Decimal) else value


def comparable(found: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows in an order that both engines give: exact values first."""
    rows = [tuple(plain(value) for value in row.values()) for row in found.to_pylist()]
    return sorted(rows, key=sorting)


def sorting(row: tuple[Any, ...]) -> tuple[str, ...]:
    exact = [str(value) for value in row if not isinstance(value, float)]
    return (*exact, *(f"{value:.6g}" for value in row if isinstance(value, float)))


def differences(one: pa.Table, other: pa.Table) -> list[tuple[Any, Any]]:
    """Return the pairs of rows that differ: floats by more than 1e-9, all else at all."""
    pairs = zip(comparable(one), comparable(other), strict=True)
    return [(a, b) for a, b in pairs if not all(map(same, a, b))]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def test_there_are_enough_questions() -> None:
    assert len(QUESTIONS) == len(blocks("Common questions", "sql")) >= LEAST_QUESTIONS
    assert all("?" in question for question in QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_the_same_answer_in_both(
    question: str, beside_demo: Path, asked_spark: SparkSession
) -> None:
    statement = QUESTIONS[question]
    of_duckdb = query(open_store(str(beside_demo / "demo/output")), statement)
    of_spark = asked_spark.sql(statement).toArrow()
    assert of_duckdb.column_names == of_spark.column_names
    assert of_duckdb.num_rows == of_spark.num_rows
    assert of_duckdb.num_rows > 0, "an empty answer would hide an error"
    assert differences(of_duckdb, of_spark) == []


def test_a_difference_is_noticed() -> None:
    one = pa.table({"name": ["a", "b"], "n": pa.array([1, 2], pa.decimal128(38)), "x": [0.1, 1.0]})
    turned = pa.table({"name": ["b", "a"], "n": [2, 1], "x": [1.0, 0.1 + 1e-12]})
    assert differences(one, turned) == []
    for changed in ({"x": [1.0, 0.1 + 1e-8]}, {"n": [2, 3]}, {"name": ["b", None]}):
        columns: Mapping[str, Any] = dict(zip(turned.column_names, turned.columns, strict=True))
        assert len(differences(one, pa.table({**columns, **changed}))) > 0


def test_the_python_code_runs_as_it_is(
    beside_demo: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"spark": spark.newSession()}
    found = blocks("How to open the tables", "python")
    assert found
    with working_in(beside_demo, spark):
        for block in found:
            exec(compile(block, "docs/tables.md", "exec"), names)  # noqa: S102
    images = query(
        open_store(str(beside_demo / "demo/output")),
        "select (select count(*) from images) as all_rows, (select count(*) from newest_images)"
        " as newest, (select count(*) from newest_defects) as defects",
    ).to_pylist()[0]
    assert len(names["frame"]) == images["newest"]
    assert len(names["verdicts"]) == images["all_rows"]
    assert names["by_verdict"]["len"].sum() == images["all_rows"]
    assert len(names["defects"]) == images["defects"]
    assert sum(count for _, count in names["rows"]) == images["newest"]
    assert names["largest"].num_rows == 5
    assert len(names["polars_frame"]) > 0 < len(names["coils"])
    assert isinstance(names["connection"], duckdb.DuckDBPyConnection)
    assert "| defect|" in capsys.readouterr().out
