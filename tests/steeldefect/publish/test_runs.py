"""The record of a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from support.examples import MORNING, ORIGIN, finish, origin, picture

from steeldefect.publish.runs import Outcome, RunRecord, record_run, versions
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import whole_rows, with_provenance
from steeldefect.tables.schema import SCHEMAS, TableName


def test_a_run_is_one_row_with_every_column(any_store: Store) -> None:
    record = RunRecord(
        job="score",
        source="/archive",
        outcome=Outcome.FAILED,
        seconds=12.5,
        settings='{"batch_size": 4}',
        classes='{"1": "bright"}',
        error="why",
        planned=10,
        skipped=1,
        scored=6,
        quarantined=3,
        defective=2,
        waves=2,
        pictures_per_second=1.5,
        stage_seconds='{"gate": 1.0}',
    )
    tables = Tables(any_store)
    record_run(tables, ORIGIN, record)
    (row,) = tables.read(TableName.RUNS).to_pylist()
    assert list(row) == SCHEMAS[TableName.RUNS].columns.names
    assert row["outcome"] == "failed"
    assert json.loads(row.pop("versions")) == versions()
    expected = vars(record) | {
        "outcome": "failed",
        "run_id": ORIGIN.run_id,
        "bundle": ORIGIN.bundle,
        "scored_at": MORNING,
        "run_number": None,
        "took": None,
        "scored_date": MORNING.date(),
    }
    assert row == expected


def test_a_table_of_an_older_version_gets_its_new_columns(any_store: Store) -> None:
    tables = Tables(any_store)
    record = RunRecord(job="score", source="/archive", outcome=Outcome.SUCCESS, seconds=1.0)
    row = vars(record) | {"outcome": "success", "versions": "{}"}
    older = whole_rows(TableName.RUNS, [row], ORIGIN).drop_columns(["engine", "run_number"])
    write_deltalake(
        any_store.delta_uri("runs"),
        older,
        partition_by=["scored_date"],
        storage_options=any_store.delta_options(),
    )
    engine = '{"openvino on cpu at f32: as it was set": 3}'
    record_run(tables, replace(origin(1), run_number=7), replace(record, engine=engine))
    read = tables.read(TableName.RUNS, ["run_id", "engine", "run_number"]).to_pylist()
    assert {one["run_id"]: (one["engine"], one["run_number"]) for one in read} == {
        ORIGIN.run_id: (None, None),
        "run-1": (engine, 7),
    }


ENDINGS = (Outcome.SUCCESS, Outcome.NOTHING_NEW, Outcome.FAILED)


def test_a_run_that_ends_takes_the_place_of_its_first_record(any_store: Store) -> None:
    finish(any_store, origin(0), outcome=Outcome.SUCCESS)
    for outcome in (Outcome.RUNNING, Outcome.FAILED):
        finish(any_store, origin(1), outcome=outcome)
    read = Tables(any_store).read(TableName.RUNS, ["run_id", "outcome"]).to_pylist()
    assert sorted((row["run_id"], row["outcome"]) for row in read) == [
        ("run-0", "success"),
        ("run-1", "failed"),
    ]


def test_runs_add_up(store: Store) -> None:
    for number in range(3):
        finish(store, origin(number), outcome=ENDINGS[number])
    read = Tables(store).read(TableName.RUNS, ["run_id", "outcome"]).to_pylist()
    assert {row["run_id"]: row["outcome"] for row in read} == {
        "run-0": "success",
        "run-1": "nothing_new",
        "run-2": "failed",
    }


@pytest.mark.parametrize("table", list(TableName))
def test_rows_of_the_driver_have_the_whole_schema(table: TableName) -> None:
    assert whole_rows(table, [], ORIGIN).schema == SCHEMAS[table].columns


def test_versions_name_what_a_number_can_depend_on() -> None:
    found = versions()
    assert {"python", "steeldefect", "tensorflow", "openvino", "numpy", "pillow"} <= set(found)
    assert all(found.values())


def test_many_rows_of_the_driver_are_made_column_by_column() -> None:
    rows = [
        picture(key)
        | {"class_id": 1, "class_name": "bright", "labels": "l.csv"}
        | {"tp": 1, "fp": 2, "fn": 3, "tn": 4}
        for key in ("a", "b")
    ]
    table = pa.Table.from_pylist([row | {"further": "columns are left out"} for row in rows])
    assert with_provenance(TableName.CONFUSIONS, table, ORIGIN) == whole_rows(
        TableName.CONFUSIONS, rows, ORIGIN
    )
