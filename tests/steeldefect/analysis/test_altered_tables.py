"""Tables that other programs have altered: legal changes are read, others are refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field
from support.altered import (
    COMMITS,
    DAY,
    FOREIGN,
    actions,
    add,
    commit,
    deleted_rows,
    features,
    folder,
    images_of,
    last,
    map_columns,
    parquet,
    stored,
)
from support.examples import ORIGIN, failure, finish, image, publish

from steeldefect.analysis.sql import query
from steeldefect.errors import TableError
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName

KEYS = ["a.png", "b.png", "c.png", "d.png"]
IMAGES = SCHEMAS[TableName.IMAGES].columns
MICROSECONDS = pa.timestamp("us", tz="UTC")


@pytest.fixture
def four(store: Store) -> Store:
    """A store with four pictures, in four files."""
    images_of(store, *KEYS)
    finish(store)
    return store


def rows(store: Store, **equal: str) -> list[dict[str, Any]]:
    """Rows of images, by their keys, as the driver reads them."""
    found = Tables(store).read(TableName.IMAGES, equal=equal or None)
    assert (found.schema.names, found.schema.types) == (IMAGES.names, IMAGES.types)
    return sorted(found.to_pylist(), key=lambda row: str(row["key"]))


def check_all_ways(store: Store, expected: list[dict[str, Any]]) -> None:
    """Check that every way to read returns the expected rows: whole, filtered, and by SQL."""
    assert rows(store) == expected
    dataset = Tables(store).dataset(TableName.IMAGES)
    assert dataset.count_rows() == len(expected)
    for name in IMAGES.names:
        for value in {row[name] for row in expected}:
            same = [row["key"] for row in expected if row[name] == value]
            scalar = pa.scalar(value, IMAGES.field(name).type)
            condition = ds.field(name).is_null() if value is None else ds.field(name) == scalar
            found = dataset.to_table(columns=["key"], filter=condition)
            assert sorted(found["key"].to_pylist()) == same, (name, value)
    asked = query(store, "SELECT * FROM images ORDER BY key")
    assert asked.to_pylist() == expected
    for row in expected:
        statement = f"SELECT key FROM images WHERE key = '{row['key']}'"  # noqa: S608
        assert query(store, statement).to_pylist() == [{"key": row["key"]}]


def merge_one(table: DeltaTable) -> None:
    source = table.to_pyarrow_table().slice(0, 1)
    table.merge(
        source, "old.key = new.key", source_alias="new", target_alias="old"
    ).when_matched_update_all().execute()


@pytest.mark.parametrize(
    "alter",
    [
        lambda table: table.optimize.compact(),
        lambda table: table.optimize.z_order(["key"]),
        lambda table: (
            table.optimize.compact(),
            table.vacuum(0, dry_run=False, enforce_retention_duration=False),
        ),
        lambda table: table.create_checkpoint(),
        lambda table: table.compact_logs(0, table.version()),
        lambda table: table.alter.add_columns([Field("remark", "string")]),
        merge_one,
        lambda table: table.update({"precision": "precision"}),
    ],
    ids=[
        "compacted",
        "z-ordered",
        "vacuumed",
        "with a checkpoint",
        "with a compacted log",
        "with a new column",
        "merged",
        "updated",
    ],
)
def test_what_deltalake_alters_keeps_its_rows(
    four: Store, alter: Callable[[DeltaTable], object]
) -> None:
    expected = rows(four)
    alter(DeltaTable(four.delta_uri("images")))
    check_all_ways(four, expected)


def test_rows_that_deltalake_deleted_are_gone(four: Store) -> None:
    table = DeltaTable(four.delta_uri("images"))
    table.optimize.compact()
    expected = [row for row in rows(four) if row["key"] != "b.png"]
    table.delete("key = 'b.png'")  # the file that is left has Arrow's string views
    check_all_ways(four, expected)


def as_int96(table: pa.Table) -> bytes:
    moments = table["scored_at"].cast(pa.timestamp("us"))
    spark = table.set_column(table.column_names.index("scored_at"), "scored_at", moments)
    return parquet(spark, use_deprecated_int96_timestamps=True, store_schema=False)


def cast(name: str, kind: pa.DataType) -> Callable[[pa.Table], bytes]:
    def alter(table: pa.Table) -> bytes:
        place = table.column_names.index(name)
        column = table[name].dictionary_encode() if kind is None else table[name].cast(kind)
        return parquet(table.set_column(place, name, column))

    return alter


@pytest.mark.parametrize(
    "alter",
    [
        as_int96,
        cast("key", pa.large_string()),
        cast("key", pa.string_view()),
        cast("key", None),
        cast("width", pa.int64()),
        cast("width", pa.int16()),
        cast("bytes", pa.int32()),
        cast("gate_probability", pa.float64()),
        cast("scored_at", pa.timestamp("ns", tz="UTC")),
        cast("scored_at", pa.timestamp("us", tz="Europe/Berlin")),
        lambda table: parquet(table.select(sorted(table.column_names))),
        lambda table: parquet(table.append_column("remark", pa.array(["by hand"]))),
        lambda table: parquet(table, store_schema=False),
        lambda table: parquet(table, write_statistics=False),
        lambda table: parquet(table, data_page_version="2.0", compression="gzip"),
    ],
    ids=[
        "INT96",
        "large strings",
        "string views",
        "dictionaries",
        "int64 for int32",
        "int16 for int32",
        "int32 for int64",
        "double for float",
        "nanoseconds",
        "another time zone",
        "columns in another order",
        "another column",
        "no Arrow schema",
        "no statistics",
        "other pages",
    ],
)
def test_files_of_other_writers_are_read(four: Store, alter: Callable[[pa.Table], bytes]) -> None:
    new = stored(TableName.IMAGES, [image("e.png")])
    expected = [*rows(four), new.append_column(PARTITION, day(DAY)).to_pylist()[0]]
    table = folder(four)
    commit(table, add(table, alter(new)))
    check_all_ways(four, [{name: row[name] for name in IMAGES.names} for row in expected])


def day(text: str | None) -> pa.Array:
    return pa.array([text]).cast(pa.date32())


def test_a_file_without_a_nullable_column_has_nulls_there(four: Store) -> None:
    new = stored(TableName.IMAGES, [image("e.png")])
    table = folder(four)
    commit(table, add(table, parquet(new.drop_columns(["gate_probability"]))))
    found = rows(four)
    assert [row["gate_probability"] for row in found] == [0.75] * 4 + [None]
    check_all_ways(four, found)


def test_many_row_groups_in_one_file(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image("z.png")]})
    finish(store)
    new = stored(TableName.IMAGES, [image(f"{number:03d}.png") for number in range(50)])
    table = folder(store)
    commit(table, add(table, parquet(new, row_group_size=7)))
    assert len(rows(store)) == 51
    assert [row["key"] for row in rows(store, key="033.png")] == ["033.png"]


@pytest.mark.parametrize("values", [{PARTITION: None}, {}], ids=["null", "missing"])
def test_a_partition_value_may_be_null_or_missing(
    four: Store, values: dict[str, str | None]
) -> None:
    table = folder(four)
    name = f"{PARTITION}=__HIVE_DEFAULT_PARTITION__/{FOREIGN}"
    metadata = last(table, "metaData")
    schema = json.loads(metadata["schemaString"])
    for field in schema["fields"]:
        field["nullable"] = True
    metadata["schemaString"] = json.dumps(schema)
    new = stored(TableName.IMAGES, [image("e.png")])
    commit(table, {"metaData": metadata}, add(table, parquet(new), name, partition=values))
    found = rows(four)
    assert [str(row[PARTITION]) for row in found] == [DAY] * 4 + ["None"]
    assert [row["key"] for row in found] == [*KEYS, "e.png"]
    check_all_ways(four, found)


@pytest.mark.parametrize(
    "columns", [[], [PARTITION, "verdict"]], ids=["unpartitioned", "by two columns"]
)
def test_a_table_may_be_partitioned_otherwise(store: Store, columns: list[str]) -> None:
    publish(store, {TableName.IMAGES: [image("a.png")]})
    finish(store)
    before, table = rows(store), folder(store)
    removed = [
        {"remove": {"path": one["add"]["path"], "dataChange": True, "deletionTimestamp": 1}}
        for one in actions(table)
        if "add" in one
    ]
    metadata = last(table, "metaData") | {"partitionColumns": columns}
    whole = pa.Table.from_pylist(before, IMAGES)
    values = {PARTITION: DAY, "verdict": "defect"}
    new = add(
        table,
        parquet(whole.drop_columns(columns)),
        FOREIGN,
        partition={name: values[name] for name in columns},
    )
    commit(table, {"metaData": metadata}, *removed, new)
    check_all_ways(store, before)


@pytest.mark.parametrize("name", ["a b", "100%", "a%20b", "ü", "a+b", "a#b?c", "a=b&c"])
def test_paths_in_the_log_are_url_encoded(four: Store, name: str) -> None:
    table = folder(four)
    new = parquet(stored(TableName.IMAGES, [image("e.png")]))
    commit(table, add(table, new, f"{PARTITION}={DAY}/{name}.parquet"))
    assert [row["key"] for row in rows(four)] == [*KEYS, "e.png"]


def test_spark_leaves_some_characters_as_they_are(four: Store) -> None:
    table, name = folder(four), f"{PARTITION}={DAY}/a+b@c:d.parquet"
    new = parquet(stored(TableName.IMAGES, [image("e.png")]))
    commit(table, add(table, new, name, path=name))
    assert [row["key"] for row in rows(four)] == [*KEYS, "e.png"]


def test_a_shallow_clone_names_files_elsewhere(four: Store, tmp_path: Path) -> None:
    table, elsewhere = folder(four), tmp_path / "the source of a clone"
    new = parquet(stored(TableName.IMAGES, [image("e.png")]))
    made = add(elsewhere, new, "e.parquet", path=(elsewhere / "e.parquet").as_uri())
    commit(table, made)
    check_all_ways(four, rows(four))
    assert [row["key"] for row in rows(four)] == [*KEYS, "e.png"]


def test_a_file_in_a_store_out_of_reach_is_named(four: Store) -> None:
    table = folder(four)
    made = add(table, b"", "e.parquet", path="abfss://place/e.parquet")
    commit(table, made)
    with pytest.raises(TableError, match=r"abfss://place/e\.parquet.* lies outside"):
        rows(four)


def test_absolute_paths_in_an_object_store(any_store: Store) -> None:
    # a shallow clone beside its source: deltalake has no such command, so the log is written here
    publish(any_store, {TableName.IMAGES: [image("a.png"), image("b c.png")]})
    finish(any_store)
    log = "images/_delta_log/"
    found = [one.key for one in any_store.scan(log)]
    for key in found:
        lines = [json.loads(line) for line in any_store.read(key).splitlines()]
        for line in lines:
            if "add" in line:
                root = Path(any_store.uri).as_uri() if "://" not in any_store.uri else any_store.uri
                line["add"]["path"] = f"{root}/images/{line['add']['path']}"
        any_store.write(key, "\n".join(map(json.dumps, lines)).encode())
    assert [row["key"] for row in rows(any_store)] == ["a.png", "b c.png"]


def test_a_checkpoint_in_several_parts(four: Store) -> None:
    expected, table = rows(four), folder(four)
    DeltaTable(str(table)).create_checkpoint()
    log = table / "_delta_log"
    (whole,) = log.glob("*.checkpoint.parquet")
    content, version = pq.read_table(whole), int(whole.name.split(".")[0])
    half = content.num_rows // 2
    for number, part in enumerate((content.slice(0, half), content.slice(half)), start=1):
        pq.write_table(part, log / f"{version:020d}.checkpoint.{number:010d}.{2:010d}.parquet")
    whole.unlink()
    hint = {"version": version, "size": content.num_rows, "parts": 2}
    (log / "_last_checkpoint").write_text(json.dumps(hint))
    for file in log.glob(COMMITS):
        if int(file.stem) < version:
            file.unlink()
    check_all_ways(four, expected)


def test_a_checkpoint_of_version_2(four: Store) -> None:
    expected, table = rows(four), folder(four)
    commit(table, features("v2Checkpoint"))
    log = table / "_delta_log"
    version = max(int(file.stem) for file in log.glob(COMMITS))
    kept = [one for one in actions(table) if "add" in one or "metaData" in one]
    kept = [{"checkpointMetadata": {"version": version}}, features("v2Checkpoint"), *kept]
    name = f"{version:020d}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"
    (log / name).write_text("\n".join(map(json.dumps, kept)))
    for file in log.glob(COMMITS):
        if int(file.stem) < version:
            file.unlink()
    check_all_ways(four, expected)


@pytest.mark.parametrize(
    "named",
    [
        ["timestampNtz"],
        ["v2Checkpoint", "vacuumProtocolCheck"],
        ["typeWidening"],
        ["variantType"],
        ["deletionVectors"],
        ["columnMapping"],
        ["timestampNtz", "variantType", "typeWidening", "columnMapping"],
    ],
    ids=" ".join,
)
def test_features_that_change_nothing_here_are_no_hindrance(four: Store, named: list[str]) -> None:
    expected = rows(four)
    commit(folder(four), features(*named))
    check_all_ways(four, expected)


@pytest.mark.parametrize(
    "named", [["newFeature"], ["timestampNtz", "deletionVectors", "newFeature"]], ids=" ".join
)
def test_features_that_nobody_here_reads_are_named(four: Store, named: list[str]) -> None:
    commit(folder(four), features(*named))
    with pytest.raises(TableError, match="newFeature"):
        rows(four)
    with pytest.raises(TableError, match="newFeature"):
        query(four, "SELECT 1")


def test_features_that_nothing_reads_together_are_named(four: Store) -> None:
    commit(folder(four), features("deletionVectors", "typeWidening"))
    with pytest.raises(TableError, match=r"deletionVectors.*TypeWidening"):
        rows(four)


def test_a_reader_version_that_is_newer_is_named(four: Store) -> None:
    commit(folder(four), {"protocol": {"minReaderVersion": 4, "minWriterVersion": 2}})
    with pytest.raises(TableError, match="version 4"):
        rows(four)


def test_widened_types_are_narrowed_or_refused(four: Store) -> None:
    table = folder(four)
    commit(table, features("typeWidening"))
    new = stored(TableName.IMAGES, [image("e.png")])
    place = new.column_names.index("width")
    wide = new.set_column(place, "width", pa.array([2**40], pa.int64()))
    commit(table, add(table, parquet(wide)))
    with pytest.raises(pa.ArrowInvalid, match="not in range"):
        Tables(four).dataset(TableName.IMAGES).to_table()


def test_rows_in_a_deletion_vector_are_gone(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image(key) for key in KEYS]})
    finish(store)
    expected = [row for row in rows(store) if row["key"] in ("a.png", "d.png")]
    table = folder(store)
    old = last(table, "add")
    gone = {"remove": {"path": old["path"], "dataChange": True, "deletionTimestamp": 1}}
    deleted = old | {"deletionVector": deleted_rows([1, 2])}
    commit(table, features("deletionVectors"), gone, {"add": deleted})
    check_all_ways(store, expected)
    assert query(store, "SELECT count(*) AS n FROM newest_images").to_pylist() == [{"n": 2}]
    files = Tables(store).dataset(TableName.IMAGES)
    for ask in (files.get_fragments, lambda: files.sort_by("key")):
        with pytest.raises(TableError, match="uses deletionVectors, so its files alone do not"):
            ask()


def test_columns_that_are_mapped_are_found(store: Store) -> None:
    publish(store, {TableName.QUARANTINE: [failure("x.png")]})
    finish(store)
    Tables(store).create_all()
    table = folder(store)
    physical = map_columns(table)
    new = stored(TableName.IMAGES, [image("a.png"), image("b.png", gate_probability=None)])
    renamed = new.rename_columns([physical[name] for name in new.column_names])
    commit(table, add(table, parquet(renamed), partition={physical[PARTITION]: DAY}))
    found = rows(store)
    assert [row["key"] for row in found] == ["a.png", "b.png"]
    assert {str(row[PARTITION]) for row in found} == {DAY}
    assert {row["scored_at"] for row in found} == {ORIGIN.scored_at}
    check_all_ways(store, found)


def test_a_table_that_the_engine_reads_lacks_what_older_versions_lacked(store: Store) -> None:
    publish(store, {TableName.QUARANTINE: [failure("x.png")]})
    finish(store)
    Tables(store).create_all()
    table = folder(store)
    metadata = last(table, "metaData")
    schema = json.loads(metadata["schemaString"])
    schema["fields"] = [one for one in schema["fields"] if one["name"] != "run_number"]
    commit(table, {"metaData": metadata | {"schemaString": json.dumps(schema)}})
    physical = map_columns(table)
    new = stored(TableName.IMAGES, [image("a.png")]).drop_columns(["run_number"])
    renamed = new.rename_columns([physical[name] for name in new.column_names])
    commit(table, add(table, parquet(renamed), partition={physical[PARTITION]: DAY}))
    assert [row["run_number"] for row in rows(store)] == [None]
    found = query(store, "SELECT key FROM newest_images WHERE run_number IS NULL")
    assert found.to_pylist() == [{"key": "a.png"}]


def test_a_copy_of_the_folder_is_read_where_it_lies(four: Store, tmp_path: Path) -> None:
    from steeldefect.stores import open_store

    copy = tmp_path / "copies of it/2026-03-04"
    shutil.copytree(four.uri, copy)
    shutil.rmtree(four.uri)
    assert [row["key"] for row in rows(open_store(str(copy)))] == KEYS


def test_a_far_date_in_sparks_old_timestamps(four: Store) -> None:
    new = stored(TableName.IMAGES, [image("e.png")])
    far = pa.array([datetime(2500, 1, 1)], pa.timestamp("us"))  # beyond nanoseconds
    spark = new.set_column(new.column_names.index("scored_at"), "scored_at", far)
    table = folder(four)
    data = parquet(spark, use_deprecated_int96_timestamps=True, store_schema=False)
    commit(table, add(table, data))
    (found,) = rows(four, key="e.png")
    assert found["scored_at"].year == 2500
