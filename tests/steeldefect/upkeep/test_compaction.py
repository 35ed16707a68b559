"""Compaction: the same rows in fewer files, even if others commit at the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field, TableFeatures, write_deltalake
from support.damage import data
from support.examples import finish, image, one_of_each, origin, publish
from support.interposing import InterposingStore
from support.nights import MORE, PICTURES, assert_each_once, evaluate, night, origin_of, two_nights

from steeldefect.analysis.sql import query
from steeldefect.errors import OutputBusyError, TableError, UnreadableFileError
from steeldefect.stores import Store
from steeldefect.tables.data_files import DataFile, data_files, read_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import SCHEMAS, TableName
from steeldefect.upkeep.compaction import Compacted, compact, plan_compaction

KIB = 1024


def file(name: str, kib: int, date: str = "2026-03-04", run: str = "run-1") -> DataFile:
    return DataFile(name, kib * KIB, date, run, run)


def names(files: list[DataFile], target_kib: int) -> list[list[str]]:
    groups = plan_compaction(files, target_kib * KIB)
    return [[one.path for one in group] for group in groups]


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        ([], []),
        ([file("a", 1)], []),
        ([file("a", 1), file("b", 1)], [["a", "b"]]),
        ([file("a", 1), file("b", 1, "2026-03-05")], []),
        ([file("a", 50), file("b", 49), file("c", 1)], [["b", "c"]]),
        ([file("a", 40), file("b", 40), file("c", 40)], [["a", "b"]]),
        ([file("a", 40), file("b", 40), file("c", 40), file("d", 9)], [["a", "b"], ["c", "d"]]),
        ([file("a", 1, run="run-2"), file("b", 1, run="run-1")], [["b", "a"]]),
    ],
    ids=[
        *("nothing", "one file", "two small files", "two dates", "half the target is large"),
        *("up to the target", "as many groups as needed", "by run"),
    ],
)
def test_small_files_of_a_partition_are_grouped(
    files: list[DataFile], groups: list[list[str]]
) -> None:
    assert names(files, 100) == groups


def contents(store: Store, table: TableName) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Tables(store).read(table).to_pylist()
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def count_files(store: Store, table: TableName) -> int:
    delta = Tables(store).open(table)
    assert delta is not None
    return len(data_files(store, table, delta))


# these are compacted as the others are
ALIKE = set(TableName) - {TableName.IMAGES, TableName.METRICS}
TABLES = [
    pytest.param(one, marks=pytest.mark.slow if one in ALIKE else (), id=one.value)
    for one in TableName
]


@pytest.mark.parametrize("table", TABLES)
def test_rows_stay_what_they_are(any_store: Store, table: TableName) -> None:
    two_nights(any_store)
    before, files = contents(any_store, table), count_files(any_store, table)
    compacted = compact(any_store, Tables(any_store), table)
    assert contents(any_store, table) == before
    assert count_files(any_store, table) == 1
    assert compacted == (Compacted(files, 1) if files > 1 else Compacted())
    assert compact(any_store, Tables(any_store), table) == Compacted()
    assert_each_once(any_store, PICTURES + MORE)


def test_an_absent_table_is_none_to_compact(store: Store) -> None:
    assert compact(store, Tables(store), TableName.IMAGES) == Compacted()


def test_files_state_their_statistics_and_readers_find_all_rows(store: Store) -> None:
    two_nights(store)
    compact(store, Tables(store), TableName.IMAGES)
    delta = Tables(store).open(TableName.IMAGES)
    assert delta is not None
    (one,) = data_files(store, TableName.IMAGES, delta)
    assert (one.first_run, one.last_run) == ("run-001", "run-002")
    found = Tables(store).read(TableName.IMAGES, ["key"], {"run_id": "run-002"})
    assert sorted(found["key"].to_pylist()) == ["clean-2.png", "one-2.png", "two-2.png"]


def test_the_transactions_of_waves_survive(store: Store) -> None:
    two_nights(store)
    compact(store, Tables(store), TableName.IMAGES)
    delta = Tables(store).open(TableName.IMAGES)
    assert delta is not None
    assert [delta.transaction_version(f"run-00{one}") for one in (1, 2, 4)] == [2, 2, None]


def test_readers_of_an_earlier_version_read_on(store: Store) -> None:
    two_nights(store)
    opened = Tables(store).dataset(TableName.PREDICTIONS)
    before = opened.to_table().num_rows
    compact(store, Tables(store), TableName.PREDICTIONS)
    assert opened.to_table().num_rows == before


def test_rows_with_and_without_a_run_number_lie_in_one_file(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image("a.png", defects=0)]}, origin(1))
    publish(store, {TableName.IMAGES: [image("b.png", defects=0)]}, origin_of(2))
    assert compact(store, Tables(store), TableName.IMAGES) == Compacted(2, 1)
    rows = contents(store, TableName.IMAGES)
    assert {row["key"]: row["run_number"] for row in rows} == {"a.png": None, "b.png": 2}


def test_columns_that_others_added_stay(store: Store) -> None:
    two_nights(store)
    tables = Tables(store)
    delta = tables.open(TableName.IMAGES)
    assert delta is not None
    delta.alter.add_columns([Field("shift", "string", nullable=True)])
    rows = tables.read(TableName.IMAGES, None, {"run_id": "run-001"})
    rows = rows.set_column(1, "key", pa.array([f"x-{key}" for key in rows["key"].to_pylist()]))
    rows = rows.append_column("shift", pa.array(["late"] * rows.num_rows))
    write_deltalake(tables.open(TableName.IMAGES), rows, mode="append")
    assert compact(store, tables, TableName.IMAGES).after == 1
    opened = tables.open(TableName.IMAGES)
    assert opened is not None
    shifts = opened.to_pyarrow_table(columns=["shift"])["shift"].to_pylist()
    assert sorted(map(str, shifts)) == ["None"] * 6 + ["late"] * 3
    assert set(opened.to_pyarrow_table().column_names) == {
        *SCHEMAS[TableName.IMAGES].columns.names,
        "shift",
    }


def test_tables_whose_rows_are_not_all_in_the_files_are_refused(store: Store) -> None:
    two_nights(store)
    delta = Tables(store).open(TableName.IMAGES)
    assert delta is not None
    delta.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(TableError, match=r"features .* not show \(deletionVectors\)"):
        compact(store, Tables(store), TableName.IMAGES)


def test_files_of_other_types_are_refused_and_no_damage(store: Store) -> None:
    """Moments in nanoseconds, as other programs write them: microseconds would lose digits."""
    two_nights(store)
    path = data(Path(store.uri, "images"))[0]
    rows = pq.ParquetFile(path).read()
    place = rows.column_names.index("scored_at")
    later = pc.add(
        rows["scored_at"].cast(pa.timestamp("ns", "UTC")), pa.scalar(1, pa.duration("ns"))
    )
    pq.write_table(rows.set_column(place, "scored_at", later), path)
    delta = Tables(store).open(TableName.IMAGES)
    assert delta is not None
    files = data_files(store, TableName.IMAGES, delta)
    with pytest.raises(TableError, match="has columns of other types") as caught:
        list(read_files(store, TableName.IMAGES, delta, files))
    assert not isinstance(caught.value, UnreadableFileError)


MEANWHILE: dict[str, Callable[[Store], object]] = {
    "a wave is published": lambda store: night(store, [*PICTURES, *MORE, "one-3.png"], 4),
    "a checkpoint is written": lambda store: (
        Tables(store).open(TableName.IMAGES).create_checkpoint()  # type: ignore[union-attr]
    ),
    "another table is compacted": lambda store: compact(
        store, Tables(store), TableName.PREDICTIONS
    ),
}


@pytest.mark.parametrize("event", MEANWHILE)
def test_what_others_commit_meanwhile_is_kept(store: Store, event: str) -> None:
    two_nights(store)
    busy = InterposingStore(store, "part-compacted", lambda: MEANWHILE[event](store))
    assert compact(busy, Tables(busy), TableName.IMAGES).before > 1
    keys = PICTURES + MORE
    assert_each_once(store, [*keys, "one-3.png"] if "wave" in event else keys)


def test_of_two_compactions_at_once_one_gives_up(store: Store) -> None:
    two_nights(store)
    other: list[Compacted] = []
    busy = InterposingStore(
        store,
        "part-compacted",
        lambda: other.append(compact(store, Tables(store), TableName.IMAGES)),
    )
    with pytest.raises(OutputBusyError, match=r"changed the files of .*images at the same time"):
        compact(busy, Tables(busy), TableName.IMAGES)
    assert other[0].before > 1
    assert_each_once(store, PICTURES + MORE)


def test_a_run_that_is_recorded_meanwhile_is_recorded_once(store: Store) -> None:
    two_nights(store)
    busy = InterposingStore(
        store,
        "part-compacted",
        lambda: finish(store, origin_of(2), scored=3, quarantined=1, waves=2),
    )
    with pytest.raises(OutputBusyError):
        compact(busy, Tables(busy), TableName.RUNS)
    assert_each_once(store, PICTURES + MORE)


class SlowTables(Tables):
    """Tables of a slow process: others do something while a table is open for a commit."""

    def __init__(self, store: Store, events: list[Callable[[], object]]) -> None:
        super().__init__(store)
        self._events = events

    def create(self, table: TableName) -> DeltaTable:
        delta = super().create(table)
        if self._events:
            self._events.pop(0)()
        return delta


def test_a_commit_follows_the_very_version_that_it_looked_at(store: Store) -> None:
    two_nights(store)
    other: list[Compacted] = []
    slow = SlowTables(
        store, [lambda: other.append(compact(store, Tables(store), TableName.PREDICTIONS))]
    )
    with pytest.raises(OutputBusyError, match="at the same time"):
        compact(store, slow, TableName.PREDICTIONS)
    assert other == [Compacted(2, 1)]
    assert_each_once(store, PICTURES + MORE)


def test_a_commit_that_others_outran_is_tried_again(store: Store) -> None:
    two_nights(store)
    nights = [
        lambda number=number: night(store, [*PICTURES, *MORE, f"one-{number}.png"], number)
        for number in (4, 5)
    ]
    assert compact(store, SlowTables(store, nights), TableName.PREDICTIONS) == Compacted(2, 1)
    assert_each_once(store, [*PICTURES, *MORE, "one-4.png", "one-5.png"])


def test_a_commit_that_others_outrun_all_the_time_is_given_up(store: Store) -> None:
    two_nights(store)
    rows = Tables(store).read(TableName.METRICS)
    others = [lambda: Tables(store).append(TableName.METRICS, rows)] * 100
    evaluate(store, 4)
    with pytest.raises(OutputBusyError, match=r"commit to .*metrics all the time"):
        compact(store, SlowTables(store, others), TableName.METRICS)
    assert count_files(store, TableName.METRICS) > 20


def test_a_run_is_recorded_once_where_its_table_is_compacted_meanwhile(store: Store) -> None:
    two_nights(store)
    rows = Tables(store).read(TableName.RUNS, None, {"run_id": "run-002"})
    events = [lambda: compact(store, Tables(store), TableName.RUNS)]
    SlowTables(store, events).replace(TableName.RUNS, rows, {"run_id": "run-002"})
    assert events == []
    assert_each_once(store, PICTURES + MORE)


def test_maps_and_lists_stay_what_they_are(any_store: Store) -> None:
    for number in range(3):
        rows = one_of_each(f"{number}.png")
        rows[TableName.IMAGES][0]["attributes"] = [("heat", f"h{number}"), ("grade", None)]
        publish(any_store, rows, origin(number))
    for table in (TableName.IMAGES, TableName.MASK_LEVELS):
        before = contents(any_store, table)
        assert compact(any_store, Tables(any_store), table) == Compacted(3, 1)
        assert contents(any_store, table) == before
    finish(any_store)
    statement = "select key, attributes['heat'] as heat from images order by key"
    assert query(any_store, statement).to_pylist() == [
        {"key": f"{number}.png", "heat": f"h{number}"} for number in range(3)
    ]
