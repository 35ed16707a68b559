"""Publishing a wave: all of its rows become visible once, whatever dies in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from examples import (
    MORNING,
    ORIGIN,
    failure,
    finish,
    image,
    one_of_each,
    origin,
    picture,
    prediction,
    publish,
    write,
)
from pydantic import TypeAdapter

from steeldefect.commit import RECORDS, Tables, WaveRecord
from steeldefect.errors import (
    AlreadyExistsError,
    StoreUnavailableError,
    TableError,
)
from steeldefect.parts import Origin, Part
from steeldefect.runs import driver_rows
from steeldefect.stores import ObjectInfo, S3Settings, Store, open_store
from steeldefect.tables import SCHEMAS, TableName

GOLDEN = Path(__file__).parent / "golden/wave_record.json"
WRITTEN = (TableName.IMAGES, TableName.PREDICTIONS, TableName.QUARANTINE)

Visible = dict[TableName, list[str]]


class DiedError(BaseException):
    """Stands for the death of the process: nothing may catch it."""


class MortalStore:
    """A store whose user dies at its nth request: just before it, or just after it was served.

    The commits to the tables go past the store, but each asks it for the table's address first;
    so requests lie between any two steps of a publication.
    """

    def __init__(self, inner: Store, dies_at: int, served: bool) -> None:
        self.uri = inner.uri
        self._inner = inner
        self._left = dies_at
        self._served = served

    def _request(self, serve: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._served:
            raise DiedError
        answer = serve()
        if self._left == 0:
            raise DiedError
        return answer

    def scan(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: list[ObjectInfo] = self._request(lambda: list(self._inner.scan(prefix)))
        return iter(found)

    def read(self, key: str) -> bytes:
        data: bytes = self._request(lambda: self._inner.read(key))
        return data

    def write(self, key: str, data: bytes) -> None:
        self._request(lambda: self._inner.write(key, data))

    def write_new(self, key: str, data: bytes) -> None:
        self._request(lambda: self._inner.write_new(key, data))

    def delete(self, key: str) -> None:
        self._request(lambda: self._inner.delete(key))

    def delta_uri(self, key: str) -> str:
        uri: str = self._request(lambda: self._inner.delta_uri(key))
        return uri

    def delta_options(self) -> dict[str, str]:
        options: dict[str, str] = self._request(self._inner.delta_options)
        return options


def visible(store: Store) -> Visible:
    """Give the keys in each table that a wave writes."""
    tables = Tables(store)
    return {table: sorted(tables.read(table, ["key"])["key"].to_pylist()) for table in WRITTEN}


def expected(*keys: str) -> Visible:
    return {
        table: sorted(row["key"] for key in keys for row in one_of_each(key)[table])
        for table in WRITTEN
    }


def records(store: Store) -> list[str]:
    return [found.key for found in store.scan(RECORDS)]


def test_what_is_written_is_not_visible_before_it_is_published(any_store: Store) -> None:
    parts = write(any_store, one_of_each())
    assert visible(any_store) == expected()
    Tables(any_store).publish(WaveRecord(ORIGIN.run_id, 1, parts))
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
        "scored_date": MORNING.date(),
    }
    for table, (row,) in one_of_each().items():
        read = tables.read(table)
        assert read.schema == SCHEMAS[table].columns
        assert read.to_pylist() == [row | provenance]


def test_a_wave_without_rows_for_a_table_leaves_it_alone(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image()]})
    assert Tables(store).open(TableName.PREDICTIONS) is None
    publish(store, {TableName.PREDICTIONS: [prediction()]}, wave=2)
    assert visible(store)[TableName.PREDICTIONS] == ["a.png"]


def test_a_wave_without_any_rows_is_published_too(store: Store) -> None:
    Tables(store).publish(WaveRecord(ORIGIN.run_id, 1, []))
    assert visible(store) == expected()
    assert records(store) == []


def dies(store: Store, record: WaveRecord, step: int, served: bool) -> bool:
    """Publish a record, and tell whether the process died over it."""
    try:
        Tables(MortalStore(store, step, served)).publish(record)
    except DiedError:
        return True
    return False


@pytest.mark.parametrize("served", [False, True], ids=["before the request", "after it"])
@pytest.mark.parametrize("earlier", [[], ["early.png"]], ids=["first wave", "later wave"])
def test_a_death_at_any_step_doubles_nothing_and_loses_nothing(
    tmp_path: Path, served: bool, earlier: list[str]
) -> None:
    decided: list[bool] = []
    for step in range(1, 100):
        store = open_store(str(tmp_path / str(step)))
        for key in earlier:
            publish(store, one_of_each(key), ORIGIN, 1)
        record = WaveRecord(ORIGIN.run_id, 2, write(store, one_of_each("a.png")))
        all_of_it = expected(*earlier, "a.png")
        if not dies(store, record, step, served):
            assert visible(store) == all_of_it
            break
        decided.append(records(store) == [record.key] or visible(store) == all_of_it)
        assert Tables(store).recover() in ([], [record])
        assert visible(store) == (all_of_it if decided[-1] else expected(*earlier))
        assert Tables(store).recover() == records(store) == []
    # the first request writes the record, and two or more lie before each table's commit
    assert decided == [served, *([True] * (len(decided) - 1))]
    assert 8 <= len(decided) < 99


def test_a_death_during_recovery_is_recovered_from(tmp_path: Path) -> None:
    for step in range(1, 100):
        store = open_store(str(tmp_path / str(step)))
        for wave, key in enumerate(("a.png", "b.png"), start=1):
            record = WaveRecord(ORIGIN.run_id, wave, write(store, one_of_each(key)))
            with pytest.raises(DiedError):
                Tables(MortalStore(store, 1, served=True)).publish(record)
        assert len(records(store)) == 2
        try:
            Tables(MortalStore(store, step, served=False)).recover()
        except DiedError:
            Tables(store).recover()
            assert visible(store) == expected("a.png", "b.png")
            assert records(store) == []
        else:
            assert visible(store) == expected("a.png", "b.png")
            return
    pytest.fail("the recovery never ended")


def test_what_was_decided_by_nobody_can_be_published_again(store: Store) -> None:
    parts = write(store, one_of_each())
    with pytest.raises(DiedError):
        Tables(MortalStore(store, 1, served=False)).publish(WaveRecord("dead", 1, parts))
    assert Tables(store).recover() == []
    publish(store, one_of_each(), origin(1))
    assert visible(store) == expected("a.png")


def test_carrying_a_record_out_twice_changes_nothing(any_store: Store) -> None:
    record = publish(any_store, one_of_each())
    for _ in range(2):
        any_store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
        assert Tables(any_store).recover() == [record]
        assert visible(any_store) == expected("a.png")


def test_carrying_a_record_out_again_makes_no_new_version(store: Store) -> None:
    record = publish(store, one_of_each())
    before = {table: DeltaTable(store.delta_uri(table.value)).version() for table in WRITTEN}
    store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    Tables(store).recover()
    after = {table: DeltaTable(store.delta_uri(table.value)).version() for table in WRITTEN}
    assert before == after


def test_an_earlier_wave_found_late_is_not_carried_out_again(store: Store) -> None:
    first = publish(store, one_of_each("1.png"), ORIGIN, 1)
    publish(store, one_of_each("2.png"), ORIGIN, 2)
    store.write(first.key, TypeAdapter(WaveRecord).dump_json(first))
    Tables(store).recover()
    assert visible(store) == expected("1.png", "2.png")


def test_records_are_carried_out_in_the_order_of_their_waves(store: Store) -> None:
    made = [
        WaveRecord(ORIGIN.run_id, wave, write(store, one_of_each(f"{wave}"))) for wave in (2, 10, 1)
    ]
    for record in made:
        store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    assert [record.wave for record in Tables(store).recover()] == [1, 2, 10]
    assert visible(store) == expected("1", "2", "10")


def test_the_same_wave_of_the_same_run_is_decided_once(store: Store) -> None:
    first = WaveRecord(ORIGIN.run_id, 1, write(store, one_of_each("a.png")))
    second = WaveRecord(ORIGIN.run_id, 1, write(store, one_of_each("b.png")))
    with pytest.raises(DiedError):
        Tables(MortalStore(store, 1, served=True)).publish(first)
    with pytest.raises(AlreadyExistsError):
        Tables(store).publish(second)
    Tables(store).recover()
    assert visible(store) == expected("a.png")


def test_two_that_recover_at_once_double_nothing(store: Store) -> None:
    record = WaveRecord(ORIGIN.run_id, 1, write(store, one_of_each()))
    Tables(store).create_all()
    store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    ready = threading.Barrier(4)
    failures: list[Exception] = []

    def recover() -> None:
        ready.wait()
        try:
            Tables(store).recover()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=recover) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Tables(store).recover()
    assert visible(store) == expected("a.png")


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


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"run_id": "r", "wave": "x"}'])
def test_a_record_that_is_none_is_named_and_nothing_lost(store: Store, content: bytes) -> None:
    publish(store, one_of_each())
    store.write(f"{RECORDS}odd.json", content)
    with pytest.raises(TableError, match=r"/_waves/odd\.json is not the record of a wave"):
        Tables(store).recover()
    assert visible(store) == expected("a.png")


def test_other_files_beside_the_records_are_left_alone(store: Store) -> None:
    store.write(f"{RECORDS}notes.txt", b"by hand")
    assert Tables(store).recover() == []
    assert records(store) == ["_waves/notes.txt"]


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

    def count(key: str, tp: int, made: Origin) -> pa.Table:
        row = picture(key) | {
            "class_id": 1, "class_name": "bright", "tp": tp, "fp": 0, "fn": 0, "tn": 0,
        }  # fmt: skip
        return driver_rows(TableName.CONFUSIONS, [row], made)

    keys = ["source", "key", "class_id", "bundle"]
    tables.upsert(TableName.CONFUSIONS, count("a", 1, ORIGIN), keys)
    tables.upsert(TableName.CONFUSIONS, count("b", 2, ORIGIN), keys)
    tables.upsert(TableName.CONFUSIONS, count("a", 3, origin(1)), keys)
    tables.upsert(TableName.CONFUSIONS, count("a", 4, origin(1, bundle="c" * 64)), keys)
    found = tables.read(TableName.CONFUSIONS, ["key", "tp", "run_id"]).to_pylist()
    assert sorted((row["key"], row["tp"], row["run_id"]) for row in found) == [
        ("a", 3, "run-1"),
        ("a", 4, "run-1"),
        ("b", 2, ORIGIN.run_id),
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
    with pytest.raises(StoreUnavailableError, match=r"table .*/images: "):
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


def test_the_golden_record_is_json_for_people_too() -> None:
    stated = json.loads(GOLDEN.read_bytes())
    assert stated["parts"][0]["table"] == "images"
