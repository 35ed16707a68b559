"""Parts: their rows, and the statistics by which readers skip files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import (
    BUNDLE,
    MORNING,
    ORIGIN,
    WRITTEN,
    Row,
    defect,
    failure,
    image,
    level,
    one_of_each,
    prediction,
    publish,
)

from steeldefect.stores import Store
from steeldefect.tables.parts import read_part, write_part
from steeldefect.tables.provenance import Origin, stored_rows
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName

LONG = "1 2 " + " ".join(f"{start} 3" for start in range(10, 4000, 10))


def test_a_part_is_written_and_read_back(any_store: Store) -> None:
    rows = [image("a.png"), image("line 1/ü.png", gate_probability=None)]
    table = stored_rows(TableName.IMAGES, rows, ORIGIN)
    part = write_part(any_store, TableName.IMAGES, table, ORIGIN, "000001-000002")
    assert part.table is TableName.IMAGES
    assert part.date == "2026-03-04"
    assert part.rows == 2
    assert part.path.startswith(f"{PARTITION}=2026-03-04/part-{ORIGIN.run_id}-000001-000002-")
    assert part.path.endswith(".parquet")
    assert part.key == f"images/{part.path}"
    (found,) = any_store.scan("images/")
    assert (found.key, found.size) == (part.key, part.size)
    read = read_part(any_store, part, ["key", "gate_probability", "run_id"])
    assert read.to_pylist() == [
        {"key": "a.png", "gate_probability": 0.75, "run_id": ORIGIN.run_id},
        {"key": "line 1/ü.png", "gate_probability": None, "run_id": ORIGIN.run_id},
    ]


def test_two_tries_of_a_task_never_write_the_same_file(store: Store) -> None:
    table = stored_rows(TableName.IMAGES, [image()], ORIGIN)
    keys = {write_part(store, TableName.IMAGES, table, ORIGIN, "1-1").key for _ in range(5)}
    assert len(keys) == 5
    assert {found.key for found in store.scan()} == keys


@pytest.mark.parametrize("table", list(TableName))
def test_rows_get_the_tables_schema_and_their_provenance(table: TableName) -> None:
    made = stored_rows(table, [], ORIGIN)
    assert made.schema == SCHEMAS[table].stored
    assert made.num_rows == 0


def test_provenance_is_joined_to_every_row() -> None:
    (row,) = stored_rows(TableName.IMAGES, [image()], ORIGIN).to_pylist()
    unknown = dict.fromkeys(SCHEMAS[TableName.IMAGES].stored.names)
    assert row == unknown | image() | {
        "run_id": ORIGIN.run_id, "bundle": BUNDLE, "scored_at": MORNING, "run_number": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 3, 4, 0, 0, tzinfo=UTC), "2026-03-04"),
        (datetime(2026, 3, 4, 23, 59, 59, 999999, tzinfo=UTC), "2026-03-04"),
    ],
)
def test_the_partition_is_the_date_of_the_run(moment: datetime, expected: str) -> None:
    assert Origin("run", BUNDLE, moment).date == expected


def statistics(rows: list[Row], table: TableName) -> dict[str, Any]:
    class Nowhere:
        def write(self, key: str, data: bytes) -> None:
            """Drop the data; the test needs only the part's description."""

    made = stored_rows(table, rows, ORIGIN)
    part = write_part(Nowhere(), table, made, ORIGIN, "label")  # type: ignore[arg-type]
    described: dict[str, Any] = json.loads(part.stats)
    return described


def test_statistics_describe_every_column() -> None:
    rows = [failure("b", bytes=3), failure("a", bytes=-1, transient=True)]
    described = statistics(rows, TableName.QUARANTINE)
    names = set(SCHEMAS[TableName.QUARANTINE].stored.names) - {"run_number"}
    assert described["numRecords"] == 2
    assert set(described["minValues"]) == set(described["maxValues"]) == names
    assert described["nullCount"] == dict.fromkeys(names, 0) | {"run_number": 2}
    assert (described["minValues"]["key"], described["maxValues"]["key"]) == ("a", "b")
    assert (described["minValues"]["bytes"], described["maxValues"]["bytes"]) == (-1, 3)
    assert described["minValues"]["scored_at"] == "2026-03-04T05:06:07.890123Z"


def test_a_column_of_nulls_has_a_count_and_no_extremes() -> None:
    rows = [image("a", gate_probability=None), image("b", gate_probability=None)]
    described = statistics(rows, TableName.IMAGES)
    assert described["nullCount"]["gate_probability"] == 2
    assert "gate_probability" not in described["minValues"]
    assert "gate_probability" not in described["maxValues"]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), min_size=1, max_size=5)
)
def test_shortened_texts_still_enclose_all_values(texts: list[str]) -> None:
    described = statistics([prediction(run_lengths=text) for text in texts], TableName.PREDICTIONS)
    least = described["minValues"]["run_lengths"].encode()
    most = described["maxValues"]["run_lengths"].encode()
    assert len(described["minValues"]["run_lengths"]) <= 32
    assert len(described["maxValues"]["run_lengths"]) <= 33
    for text in texts:
        assert least <= text.encode()
        assert text.encode() <= most or "\U0010ffff" in text


ON_STRIP = {"coil": "c" * 40, "camera": "2", "side": "top"}
COLUMNS = [
    (table, name)
    for table in WRITTEN
    for name in SCHEMAS[table].columns.names
    if not pa.types.is_nested(SCHEMAS[table].columns.field(name).type)
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two waves whose values differ in every column, some of them long."""
    from steeldefect.stores import open_store

    store = open_store(str(tmp_path_factory.mktemp("published")))
    publish(store, one_of_each("a.png"))
    other = Origin("z-run", "c" * 64, MORNING + timedelta(days=2, microseconds=1), 2)
    key = "z" * 40 + "/b.png"
    place = {"source": "s3://b/" + "p" * 40, "image_id": "b" * 40}
    publish(
        store,
        {
            TableName.IMAGES: [
                image(
                    key, **place, etag="x" * 64, bytes=2**40, width=2, height=1, defects=0,
                    gate_probability=None, verdict="clean", runtime="tensorflow", device="gpu",
                    precision="bf16", **ON_STRIP, position_mm=1e9, captured_at=MORNING,
                    pixel_mm_x=0.5, pixel_mm_y=0.25, attributes=[("heat", "h" * 40)],
                    regions=9, rejected_regions=7, level_masks=5, audit_defects=3,
                    audit_regions=4, gray_mean=100.5, gray_std=20.25, sharpness=300.5,
                    clipped_dark=0.5, clipped_bright=0.25, black_margin=0.125, novelty=1.5,
                )
            ],
            TableName.PREDICTIONS: [
                prediction(
                    key, **place, class_id=2, class_name="dark", run_lengths=LONG, area=2**33,
                    share=0.1, box_top=5, box_left=6, box_bottom=7, box_right=8, regions=3,
                    mean_probability=0.123, max_probability=0.456, audit=True,
                )
            ],
            TableName.DEFECTS: [
                defect(
                    key, **place, number=2, class_id=2, class_name="dark", kept=False,
                    reason="min_area", **ON_STRIP, run_lengths=LONG, area=2**33, centroid_x=1.5,
                    centroid_y=2.5, box_top=5, box_left=6, box_bottom=7, box_right=8, length=4.5,
                    width=1.5, angle=-45.0, perimeter=9.5, elongation=1.25, solidity=0.5,
                    mean_probability=0.123, max_probability=0.456, touches_edge=False,
                    area_mm2=1.0, length_mm=2.0, width_mm=3.0, angle_mm=4.0, perimeter_mm=5.0,
                    along_mm=6.0, across_mm=7.0, audit=True,
                )
            ],
            TableName.MASK_LEVELS: [
                level(
                    key, **place, class_id=2, class_name="dark", level=0.25, starts=[2**30],
                    lengths=[7], area=2**33, regions=3, mean_probability=0.123,
                    max_probability=0.456,
                )
            ],
            TableName.QUARANTINE: [
                failure(
                    key, **place, etag="x" * 64, bytes=9, stage="fetch", error="FetchError",
                    message="m" * 400 + "ä", transient=True, tries=2, given_up=False,
                )
            ],
        },
        other,
    )  # fmt: skip
    return store


@pytest.mark.parametrize(("table", "name"), COLUMNS)
def test_delta_readers_that_skip_by_statistics_find_every_value(
    published: Store, table: TableName, name: str
) -> None:
    delta = DeltaTable(published.delta_uri(table.value))
    dataset = delta.to_pyarrow_dataset()
    rows = dataset.to_table().to_pylist()
    assert len(rows) == 2
    for row in rows:
        value = row[name]
        condition = ds.field(name).is_null() if value is None else ds.field(name) == value
        found = dataset.to_table(filter=condition)
        assert found.num_rows == 1, value
        assert found.to_pylist() == [row]


@pytest.mark.parametrize("table", [TableName.IMAGES, TableName.PREDICTIONS, TableName.QUARANTINE])
def test_statistics_let_delta_readers_skip_files(published: Store, table: TableName) -> None:
    actions = DeltaTable(published.delta_uri(table.value)).get_add_actions(flatten=True)
    names = actions.schema.names
    assert f"partition.{PARTITION}" in names
    assert {"min.key", "max.key", "null_count.key", "num_records"} <= set(names)


def test_partitions_are_dates(published: Store) -> None:
    dataset = DeltaTable(published.delta_uri("images")).to_pyarrow_dataset()
    found = dataset.to_table(filter=ds.field(PARTITION) == date(2026, 3, 6))
    assert found["image_id"].to_pylist() == ["b" * 40]
