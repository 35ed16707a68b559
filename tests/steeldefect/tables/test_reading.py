"""Reading tables: filters find all matching rows, whatever the statistics of the files state."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable
from support.examples import (
    MORNING,
    ORIGIN,
    Origin,
    failure,
    finish,
    image,
    one_of_each,
    publish,
    still_holds,
    write,
)

from steeldefect.publish.commit import WaveLog
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.log_entries import NewestActions
from steeldefect.tables.reading import dataset_of
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName


def found(tables: Tables, table: TableName, name: str, value: Any) -> int:
    """Count the rows with a value, or the rows with null."""
    condition = ds.field(name).is_null() if value is None else ds.field(name) == value
    return int(tables.dataset(table).to_table(filter=condition).num_rows)


def test_a_table_that_is_not_there_is_an_empty_one(tables: Tables) -> None:
    for table in TableName:
        dataset = tables.dataset(table)
        assert dataset.schema == SCHEMAS[table].columns
        assert dataset.count_rows() == 0
        assert tables.read(table, equal={"run_id": "none"}).num_rows == 0


def test_a_table_without_files_is_an_empty_one(tables: Tables) -> None:
    tables.create_all()
    for table in TableName:
        dataset = tables.dataset(table)
        assert dataset.schema == SCHEMAS[table].columns
        assert dataset.count_rows() == 0
        assert tables.read(table, ["run_id"], {"run_id": "none"}).num_rows == 0


def test_every_row_is_found_by_each_of_its_values(store: Store, tables: Tables) -> None:
    publish(store, one_of_each("a.png"))
    later = Origin("later", "d" * 64, MORNING + timedelta(days=1))
    publish(store, {TableName.IMAGES: [image("b.png", gate_probability=None)]}, later)
    finish(store)
    finish(store, later, error="it failed", job="evaluate")
    for table in (*one_of_each(), TableName.RUNS):
        for row in tables.read(table).to_pylist():
            for name, value in row.items():
                if isinstance(value, list):
                    continue  # Arrow does not compare lists and maps
                assert found(tables, table, name, value) >= 1, (table, name, value)


def test_a_column_of_nulls_loses_no_row_to_a_filter(store: Store, tables: Tables) -> None:
    # `DeltaTable.to_pyarrow_dataset` makes `column >= null` of a missing extreme, which is neither
    # true nor false; a filter on such a column dropped the whole file without an error
    publish(store, {TableName.IMAGES: [image(key, gate_probability=None) for key in "ab"]})
    publish(
        store, {TableName.IMAGES: [image("c", gate_probability=0.5)]}, Origin("2", "b", MORNING)
    )
    assert found(tables, TableName.IMAGES, "gate_probability", None) == 2
    assert found(tables, TableName.IMAGES, "gate_probability", 0.5) == 1
    finish(store)
    finish(store, Origin("2", "b", MORNING), error="why")
    assert found(tables, TableName.RUNS, "error", None) == 1
    assert found(tables, TableName.RUNS, "error", "why") == 1


@pytest.mark.parametrize(
    "stats",
    [
        {"numRecords": 2},
        {"numRecords": 2, "minValues": {}, "maxValues": {}, "nullCount": {}},
        {"numRecords": 2, "minValues": {"key": "a"}, "maxValues": {"key": "b"}, "nullCount": {}},
    ],
)
def test_files_whose_statistics_are_incomplete_lose_no_row(
    store: Store, tables: Tables, stats: dict[str, Any]
) -> None:
    (part,) = write(store, {TableName.IMAGES: [image("a"), image("b")]})
    WaveLog(Tables(store)).publish(
        WaveRecord("run", 1, [replace(part, stats=json.dumps(stats))]), still_holds
    )
    for name, value in tables.read(TableName.IMAGES).to_pylist()[0].items():
        expected = 1 if name in ("key", "image_id") else 2
        assert found(tables, TableName.IMAGES, name, value) == expected, name


def test_equal_filters_are_joined_by_and(any_store: Store) -> None:
    publish(any_store, {TableName.QUARANTINE: [failure("a"), failure("b", stage="fetch")]})
    publish(any_store, {TableName.QUARANTINE: [failure("a")]}, Origin("2", "c" * 64, MORNING))
    read = Tables(any_store).read(
        TableName.QUARANTINE, ["key"], {"bundle": ORIGIN.bundle, "stage": "decode"}
    )
    assert read.to_pylist() == [{"key": "a"}]


def test_only_the_files_of_the_present_version_are_read(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a")]})
    write(store, {TableName.IMAGES: [image("nobody published this")]})
    assert tables.read(TableName.IMAGES)["key"].to_pylist() == ["a"]
    delta = DeltaTable(store.delta_uri("images"))
    delta.delete()
    assert tables.read(TableName.IMAGES).num_rows == 0


def test_a_version_that_was_opened_stays_what_it_was(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a")]})
    delta = tables.open(TableName.IMAGES)
    assert delta is not None
    publish(store, {TableName.IMAGES: [image("b")]}, Origin("2", "b", MORNING))
    dataset = dataset_of(delta, SCHEMAS[TableName.IMAGES].columns, {}, NewestActions({}, 0))
    assert dataset.to_table(columns=["key"]).to_pylist() == [{"key": "a"}]


def test_a_partition_that_is_filtered_away_is_not_even_opened(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a")]})
    later = Origin("later", "b", MORNING + timedelta(days=1))
    lost = publish(store, {TableName.IMAGES: [image("b")]}, later).parts[0]
    store.delete(lost.key)  # would be missed, were it opened
    dataset = tables.dataset(TableName.IMAGES)
    kept = dataset.to_table(filter=ds.field(PARTITION) == MORNING.date())
    assert kept["key"].to_pylist() == ["a"]
