"""On Spark, an archive has the rows that its coils and cameras have alone."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from benchmarks.watch.repeats import archive, planted, uniform
from steeldefect.repeats.on_spark import find_all_places, find_all_rolls
from steeldefect.repeats.places import find_places
from steeldefect.repeats.rolls import find_rolls
from steeldefect.repeats.rows import REPEAT_SCHEMA, as_table, place_row, roll_row

pytestmark = pytest.mark.spark

TEXT = ["source", "key", "class_name", "coil", "camera", "side"]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield session
    session.stop()


def on_spark(spark: SparkSession, defects: pd.DataFrame) -> DataFrame:
    typed = {name: pa.string() for name in TEXT}
    table = pa.Table.from_pandas(defects, preserve_index=False)
    kinds = pa.schema([(one.name, typed.get(one.name, one.type)) for one in table.schema])
    return spark.createDataFrame(table.cast(kinds))


def test_rolls_are_those_of_each_coil(spark: SparkSession) -> None:
    coils = [planted(31, number, 12)[0].frame(f"c{number}") for number in range(3)]
    coils.append(uniform(31, 9).frame("c9", camera=None))
    lost = coils[0][:7].assign(coil=None)
    nowhere = coils[1][:5].assign(along_mm=float("nan"))
    every = pd.concat([*coils, lost, nowhere], ignore_index=True)
    found = find_all_rolls(on_spark(spark, every))
    alone = [roll_row(one, coil) for coil in coils for one in find_rolls(coil).rolls]
    assert found.repeats.schema == REPEAT_SCHEMA
    stated = found.repeats.drop_columns(["member_keys", "member_numbers"])
    assert stated.to_pylist() == as_table(alone).select(stated.column_names).to_pylist()
    for row, expected in zip(found.repeats.to_pylist(), alone, strict=True):
        assert set(row["member_keys"]) == set(expected["member_keys"])
        assert set(row["member_numbers"]) == set(expected["member_numbers"])
    assert found.notes == (
        "left out: 7 defects without a coil; 5 defects without a place on the strip",
    )


def test_places_are_those_of_each_camera(spark: SparkSession) -> None:
    clean = archive(32, 0, coils=60).assign(camera="clean")
    dirty = archive(32, 1, dirt=0.2).assign(camera=None)
    lost = dirty[:4].assign(coil=None)
    every = pd.concat([clean, dirty, lost], ignore_index=True)
    found = find_all_places(on_spark(spark, every))
    (place,) = find_places(dirty, cameras=2).places
    there = dirty.iloc[place.members].sort_values(["source", "key", "number"])
    (row,) = found.repeats.to_pylist()
    expected = as_table([place_row(place, there)]).to_pylist()[0]
    numbers = ("place_x", "place_y", "p_value", "expected_coils")
    assert [row[name] for name in numbers] == pytest.approx([expected[name] for name in numbers])
    assert {name: row[name] for name in row if name not in numbers} == {
        name: expected[name] for name in expected if name not in numbers
    }
    assert found.notes == (
        "left out: 4 defects without a coil, so nobody knows whether they are unrelated",
    )


def test_an_archive_without_coils_has_no_rows(spark: SparkSession) -> None:
    defects = on_spark(spark, archive(33, 0, coils=5).assign(coil=None))
    assert find_all_rolls(defects).repeats.num_rows == 0
    assert find_all_places(defects).repeats.num_rows == 0
