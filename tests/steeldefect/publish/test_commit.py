"""Publishing a wave: all of its rows become visible once, and rows come back as they were."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from support.examples import (
    MORNING,
    ORIGIN,
    expected,
    failure,
    finish,
    image,
    one_of_each,
    origin,
    picture,
    prediction,
    publish,
    records,
    still_holds,
    visible,
    write,
)

from steeldefect.errors import StoreUnavailableError, TableError
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import SCHEMAS, TableName

GOLDEN = Path(__file__).parent / "golden/wave_record.json"


def test_what_is_written_is_not_visible_before_it_is_published(any_store: Store) -> None:
    parts = write(any_store, one_of_each())
    assert visible(any_store) == expected()
    WaveLog(Tables(any_store)).publish(WaveRecord(ORIGIN.run_id, 1, parts), still_holds)
    assert visible(any_store) == expected("a.png")
    assert records(any_store) == []


def test_waves_of_many_runs_add_up(any_store: Store) -> None:
    for number in range(2):
        for wave in (1, 2):
            publish(any_store, one_of_each(f"{number}-{wave}.png"), origin(number), wave)
    assert visible(any_store) == expected("0-1.png", "0-2.png", "1-1.png", "1-2.png")


def test_rows_come_back_as_they_were_written(any_store: Store) -> None:
    publish(any_store, one_of_each())
    tables = Tables(any_store)
    provenance = {
        "run_id": ORIGIN.run_id,
        "bundle": ORIGIN.bundle,
        "scored_at": MORNING,
        "run_number": None,
        "scored_date": MORNING.date(),
    }
    for table, (row,) in one_of_each().items():
        read = tables.read(table)
        assert read.schema == SCHEMAS[table].columns
        unknown = dict.fromkeys(SCHEMAS[table].columns.names)
        assert read.to_pylist() == [unknown | row | provenance]


def test_a_wave_without_rows_for_a_table_leaves_it_alone(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image()]})
    assert Tables(store).open(TableName.PREDICTIONS) is None
    publish(store, {TableName.PREDICTIONS: [prediction()]}, wave=2)
    assert visible(store)[TableName.PREDICTIONS] == ["a.png"]


def test_a_wave_without_any_rows_is_published_too(store: Store) -> None:
    WaveLog(Tables(store)).publish(WaveRecord(ORIGIN.run_id, 1, []), still_holds)
    assert visible(store) == expected()
    assert records(store) == []


def golden_record() -> WaveRecord:
    part = Part(
        TableName.IMAGES,
        "scored_date=2026-03-04/part-run-000002-000000-0123abcd.parquet",
        "2026-03-04",
        1234,
        5,
        '{"numRecords": 5}',
    )
    return WaveRecord("run", 2, [part])


def test_a_record_has_the_golden_form_and_can_be_read_back() -> None:
    adapter = TypeAdapter(WaveRecord)
    assert adapter.dump_json(golden_record(), indent=2).decode() + "\n" == GOLDEN.read_text()
    assert adapter.validate_json(GOLDEN.read_bytes()) == golden_record()
    assert golden_record().key == "_waves/run-000002.json"


def test_all_tables_are_created_empty_and_only_once(any_store: Store) -> None:
    tables = Tables(any_store)
    assert all(tables.open(table) is None for table in TableName)
    tables.create_all()
    publish(any_store, one_of_each())
    tables.create_all()
    for table in TableName:
        delta = tables.open(table)
        assert delta is not None
        assert delta.metadata().description == SCHEMAS[table].row
        assert delta.metadata().partition_columns == ["scored_date"]
    assert visible(any_store) == expected("a.png")


def test_appending_and_replacing_rows_of_the_driver(any_store: Store) -> None:
    tables = Tables(any_store)

    def count(key: str, tp: int, labels: str, made: Origin) -> pa.Table:
        row = picture(key) | {
            "class_id": 1, "class_name": "bright", "tp": tp, "fp": 0, "fn": 0, "tn": 0,
            "labels": labels,
        }  # fmt: skip
        return whole_rows(TableName.CONFUSIONS, [row], made)

    def write(rows: pa.Table, labels: str, made: Origin) -> None:
        same = {"bundle": made.bundle, "labels": labels}
        tables.replace(TableName.CONFUSIONS, rows, same)

    other = origin(1, bundle="c" * 64)
    write(count("a", 1, "it's.csv", ORIGIN), "it's.csv", ORIGIN)
    write(count("b", 2, "other.csv", ORIGIN), "other.csv", ORIGIN)
    write(count("c", 3, "it's.csv", origin(1)), "it's.csv", origin(1))
    write(count("a", 4, "it's.csv", other), "it's.csv", other)
    found = tables.read(TableName.CONFUSIONS, ["key", "tp", "run_id"]).to_pylist()
    assert sorted((row["key"], row["tp"], row["run_id"]) for row in found) == [
        ("a", 4, "run-1"),
        ("b", 2, ORIGIN.run_id),
        ("c", 3, "run-1"),
    ]
    finish(any_store)
    finish(any_store, origin(1))
    assert tables.read(TableName.RUNS).num_rows == 2


def test_the_dates_of_rows_are_their_partitions(store: Store) -> None:
    for day in range(3):
        made = Origin(f"run-{day}", "b", MORNING + timedelta(days=day))
        publish(store, {TableName.IMAGES: [image(f"{day}")]}, made)
    read = Tables(store).read(TableName.IMAGES, ["key", "scored_date"]).to_pylist()
    assert {row["key"]: str(row["scored_date"]) for row in read} == {
        "0": "2026-03-04",
        "1": "2026-03-05",
        "2": "2026-03-06",
    }


def test_a_store_that_does_not_answer_is_no_missing_table() -> None:
    nowhere = S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    tables = Tables(open_store("s3://bucket/output", nowhere))
    with pytest.raises(StoreUnavailableError, match="table s3://bucket/output/images: "):
        tables.open(TableName.IMAGES)


def test_a_lost_data_file_is_an_error_and_no_short_answer(store: Store) -> None:
    part = publish(store, {TableName.IMAGES: [image()]}).parts[0]
    store.delete(part.key)
    with pytest.raises(TableError, match=r"table .*/images: .* maintain --check"):
        Tables(store).read(TableName.IMAGES)


def test_a_broken_log_is_an_error_that_names_the_table(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image()]})
    (log,) = [one.key for one in store.scan("images/_delta_log/") if one.key.endswith("0.json")]
    store.write(log, b"{ broken")
    with pytest.raises(TableError, match=r"table .*/images: ") as caught:
        Tables(store).read(TableName.IMAGES)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_failed_row_and_a_scored_one_of_one_picture_may_both_be_there(store: Store) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a", transient=True)]})
    publish(store, {TableName.IMAGES: [image("a")]}, origin(1))
    found = visible(store)
    assert found[TableName.QUARANTINE] == found[TableName.IMAGES] == ["a"]
