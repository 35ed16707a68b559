"""A run writes only into tables of this project."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from support.examples import MORNING, expected, finish, one_of_each, publish, visible, write

from steeldefect.errors import StoreError, TableError
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName

STRANGERS = pa.table({"x": [1, 2, 3]})


def put(store: Store, folder: str, rows: pa.Table, partition: list[str] | None = None) -> None:
    write_deltalake(
        store.delta_uri(folder),
        rows,
        partition_by=partition,
        storage_options=store.delta_options(),
    )


def version(store: Store, folder: str) -> int:
    uri = store.delta_uri(folder)
    return int(DeltaTable(uri, storage_options=store.delta_options()).version())


def contents(store: Store) -> dict[str, bytes]:
    return {found.key: store.read(found.key) for found in store.scan()}


def test_an_empty_output_and_ones_own_will_do(any_store: Store) -> None:
    require_own_tables(any_store)
    write(any_store, one_of_each("lost.png"))  # a run that died before its first commit
    require_own_tables(any_store)
    publish(any_store, one_of_each("a.png"))
    finish(any_store)
    before = contents(any_store)
    require_own_tables(any_store)
    assert contents(any_store) == before
    assert visible(any_store) == expected("a.png")


@pytest.mark.parametrize("table", TableName)
def test_a_strangers_table_in_a_tables_place_is_refused(any_store: Store, table: TableName) -> None:
    put(any_store, table.value, STRANGERS)
    before = contents(any_store)
    with pytest.raises(TableError, match=f"{table.value} is a table of another program: it lacks "):
        require_own_tables(any_store)
    assert contents(any_store) == before


def test_an_output_that_is_a_table_itself_is_refused(any_store: Store) -> None:
    put(any_store, "", STRANGERS)
    with pytest.raises(TableError, match="is a Delta table itself; choose an --output beside it"):
        require_own_tables(any_store)


def test_the_same_names_of_other_types_are_refused(store: Store) -> None:
    columns = SCHEMAS[TableName.IMAGES].columns
    index = columns.get_field_index("bytes")
    changed = columns.set(index, pa.field("bytes", pa.string()))
    put(store, "images", changed.empty_table(), [PARTITION])
    with pytest.raises(TableError, match="it has bytes as string, not int64"):
        require_own_tables(store)


def test_another_partition_is_refused(store: Store) -> None:
    put(store, "images", SCHEMAS[TableName.IMAGES].columns.empty_table(), ["bundle"])
    with pytest.raises(TableError, match="it is partitioned by bundle"):
        require_own_tables(store)


def test_tables_of_other_versions_will_do(store: Store) -> None:
    columns = SCHEMAS[TableName.RUNS].columns
    older = columns.remove(columns.get_field_index("engine"))
    newer = older.append(pa.field("something new", pa.float64()))
    put(store, "runs", newer.empty_table(), [PARTITION])
    require_own_tables(store)
    made = Origin("run-1", "b", MORNING)
    publish(store, one_of_each("a.png"), made)
    require_own_tables(store)


@pytest.mark.parametrize(
    "key",
    ["images/a.jpg", "images/day=1/part-0.parquet", "runs/scored_date=2026-01-01/other.csv"],
)
def test_other_files_in_a_tables_place_are_refused(any_store: Store, key: str) -> None:
    any_store.write(key, b"x")
    with pytest.raises(TableError, match=f"{key} lies in the folder of .* choose another --output"):
        require_own_tables(any_store)
    assert Tables(any_store).open(TableName.IMAGES) is None


def test_other_files_beside_the_tables_are_left_alone(any_store: Store) -> None:
    for key in ("README.md", "images.old/a.jpg", "imagesx", "images/.DS_Store"):
        any_store.write(key, b"x")
    require_own_tables(any_store)


def test_a_file_in_a_tables_place_is_refused(store: Store) -> None:
    store.write("images", b"x")
    with pytest.raises(StoreError, match="images/_delta_log: Not a directory"):
        require_own_tables(store)


def test_a_table_in_its_place_stays_as_it_was(store: Store) -> None:
    put(store, "predictions", STRANGERS)
    with pytest.raises(TableError):
        require_own_tables(store)
    assert version(store, "predictions") == 0
