"""The check of an output: what is damage, what is not, and how damage is described."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable, write_deltalake
from support.damage import checkpointed, data, empty, entries, halve, remove, zero
from support.examples import UnreachableStore, finish, image, origin, publish
from support.nights import (
    MORE,
    PICTURES,
    QUICK,
    assert_each_once,
    die_after_record,
    evaluate,
    night,
    origin_of,
    two_nights,
    write_parts,
)

from steeldefect.errors import NewerTableError, StoreError, TableError
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import hold
from steeldefect.publish.runs import Outcome
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.stores import Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import SCHEMA_VERSION, TableName
from steeldefect.upkeep import health
from steeldefect.upkeep.damage import REPAIRS, Damage
from steeldefect.upkeep.health import check_tables, require_sound
from steeldefect.upkeep.run_counts import Rows, RunCounts, count_runs

ALL = PICTURES + MORE


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of two nights and an evaluation."""
    folder = tmp_path_factory.mktemp("sound") / "output"
    two_nights(open_store(str(folder)))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the output that the test may change."""
    return Path(shutil.copytree(sound, tmp_path / "output"))


def delta(folder: Path, table: str) -> DeltaTable:
    return DeltaTable(str(folder / table))


def rewrite(folder: Path) -> None:
    """Rewrite all rows, as a tool that sorts a table does."""
    for table in TableName:
        rows = Tables(open_store(str(folder))).read(table)
        write_deltalake(str(folder / table.value), rows, mode="overwrite")


def optimise(folder: Path) -> None:
    for table in TableName:
        delta(folder, table.value).optimize.compact()


def order(folder: Path) -> None:
    for table in ("images", "predictions", "quarantine"):
        delta(folder, table).optimize.z_order(["key"])


def vacuum(folder: Path) -> None:
    optimise(folder)
    for table in TableName:
        opened = delta(folder, table.value)
        opened.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)


def checkpoint(folder: Path) -> None:
    """Write checkpoints, and let the log before them expire."""
    for table in TableName:
        opened = delta(folder, table.value)
        opened.create_checkpoint()
        for path in entries(folder / table.value)[: opened.version()]:
            path.unlink()


def delete_a_night(folder: Path) -> None:
    """Delete the rows of one run from all tables."""
    for table in TableName:
        delta(folder, table.value).delete("run_id = 'run-001'")


def cut_short(outcome: Outcome) -> Callable[[Path], None]:
    """Record a run that ended after one of its waves was decided; the next run completed it."""

    def end(folder: Path) -> None:
        store = open_store(str(folder))
        die_after_record(store, ["one-3.png"], 4)
        finish(store, origin_of(4), outcome=outcome, error="no answer", waves=0)
        night(store, ALL, 5)

    return end


def kill_a_run(folder: Path) -> None:
    store = open_store(str(folder))
    die_after_record(store, ["one-3.png", "bad-3.png"], 4)
    night(store, ALL, 5)


def fail_first(folder: Path) -> None:
    """Fail before anything is published: `runs` is the only table."""
    shutil.rmtree(folder)
    finish(open_store(str(folder)), origin_of(1), outcome=Outcome.FAILED, error="no answer")


def die_first(folder: Path) -> None:
    """Die before anything is published, with parts on the store and some tables created."""
    shutil.rmtree(folder)
    store = open_store(str(folder))
    write_parts(store, ["one-1.png"], origin_of(1))
    Tables(store).create(TableName.IMAGES)


def die_in_evaluation(folder: Path) -> None:
    """Die after the confusions were replaced, before the run is recorded."""
    store = open_store(str(folder))
    evaluate(store, 4)
    delta(folder, "runs").delete("run_id = 'run-004'")


LEGAL: dict[str, Callable[[Path], object]] = {
    "nothing": lambda folder: None,
    "rewritten": rewrite,
    "optimised": optimise,
    "ordered": order,
    "vacuumed": vacuum,
    "checkpointed, log expired": checkpoint,
    "a night deleted everywhere": delete_a_night,
    "a run failed, its wave completed": cut_short(Outcome.FAILED),
    "a run was interrupted, its wave completed": cut_short(Outcome.INTERRUPTED),
    "a run was killed": kill_a_run,
    "the first run failed": fail_first,
    "the first run died": die_first,
    "an evaluation repeated": lambda folder: evaluate(open_store(str(folder)), 4),
    "an evaluation died": die_in_evaluation,
    "an entry before the checkpoint is empty": lambda folder: (
        delta(folder, "images").create_checkpoint(),
        empty(entries(folder / "images")[1]),
    ),
    "the note of the checkpoint is damaged": checkpointed(lambda path: None, earlier_entries=True),
    "an empty output": shutil.rmtree,
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_is_done_by_right_is_no_damage(folder: Path, name: str) -> None:
    LEGAL[name](folder if "note of" not in name else folder / "images")
    if "note of" in name:
        zero(folder / "images" / "_delta_log" / "_last_checkpoint")
    store = open_store(str(folder))
    assert check_tables(store, whole=True) == []
    require_sound(store)


def test_a_run_goes_on_after_others_tidied_up(folder: Path) -> None:
    vacuum(folder)
    store = open_store(str(folder))
    assert night(store, [*ALL, "two-3.png"], 4) == ["two-3.png"]
    assert_each_once(store, [*ALL, "two-3.png"])


DAMAGED: dict[str, tuple[Callable[[Path], object], Damage, str]] = {
    "an entry emptied": (
        lambda folder: empty(entries(folder / "images")[2]),
        Damage.LOG,
        "images: entry 2 of its log is empty",
    ),
    "an entry gone": (
        lambda folder: remove(entries(folder / "images")[2]),
        Damage.LOG,
        "images: entry 2 of its log is gone",
    ),
    "an entry cut short": (
        lambda folder: halve(entries(folder / "images")[-1]),
        Damage.LOG,
        "images: entry 4 of its log is damaged",
    ),
    "the first entry gone": (
        lambda folder: remove(entries(folder / "images")[0]),
        Damage.LOG,
        "images: its log begins with entry 1, and no entry states the schema",
    ),
    "a checkpoint cut short": (
        lambda folder: checkpointed(halve, earlier_entries=True)(folder / "images"),
        Damage.LOG,
        "images: the checkpoint of version 4 is damaged",
    ),
    "a checkpoint gone": (
        lambda folder: checkpointed(remove, earlier_entries=True)(folder / "images"),
        Damage.LOG,
        "images: the checkpoint of version 4 is gone or empty",
    ),
    "the newest entry gone": (
        lambda folder: remove(entries(folder / "images")[-1]),
        Damage.FINDINGS,
        "predictions: run run-002: 3 predictions do not match the 0 defects in images, "
        "picture by picture",
    ),
    "a table gone": (
        lambda folder: shutil.rmtree(folder / "quarantine"),
        Damage.TABLE,
        "quarantine: the table is gone",
    ),
    "a folder of runs gone": (
        lambda folder: shutil.rmtree(folder / "runs"),
        Damage.RUN,
        "runs: run run-001 has no row, but 13 rows in other tables",
    ),
    "a run there twice": (
        lambda folder: write_deltalake(
            str(folder / "runs"),
            Tables(open_store(str(folder))).read(TableName.RUNS, None, {"run_id": "run-002"}),
            mode="append",
        ),
        Damage.COUNTS,
        "runs: run run-002 has 2 rows, expected 1",
    ),
    "rows there twice": (
        lambda folder: write_deltalake(
            str(folder / "quarantine"),
            Tables(open_store(str(folder))).read(TableName.QUARANTINE, None, {"run_id": "run-002"}),
            mode="append",
        ),
        Damage.COUNTS,
        "quarantine: 2 rows of run run-002, but runs states 1",
    ),
    "a region that was deleted": (
        lambda folder: delta(folder, "defects").delete("run_id = 'run-002' and number = 1"),
        Damage.FINDINGS,
        "defects: run run-002: 1 kept regions do not match the 3 regions in images, picture by "
        "picture",
    ),
    "the table of defects": (
        lambda folder: shutil.rmtree(folder / "defects"),
        Damage.TABLE,
        "defects: the table is gone",
    ),
    "rows deleted from one table": (
        lambda folder: delta(folder, "quarantine").delete("run_id = 'run-002'"),
        Damage.COUNTS,
        "quarantine: 0 rows of run run-002, but runs states 1",
    ),
    "an evaluation's rows deleted": (
        lambda folder: delta(folder, "confusions").delete(),
        Damage.EVALUATION,
        "confusions: no row of the evaluation run-003",
    ),
    "a review's rows deleted": (
        lambda folder: delta(folder, "reviews").delete(),
        Damage.EVALUATION,
        "reviews: no row of the review review-003",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(folder: Path, name: str) -> None:
    harm, kind, line = DAMAGED[name]
    harm(folder)
    first = check_tables(open_store(str(folder)))[0]
    assert (first.damage, str(first)) == (kind, line)
    assert first.repair.startswith("--repair ")


@pytest.mark.parametrize(("harm", "state"), [(remove, "is gone"), (halve, "has ")])
def test_a_data_file_that_is_not_whole_is_named(
    folder: Path, harm: Callable[[Path], None], state: str
) -> None:
    path = data(folder / "images")[0]
    harm(path)
    (problem,) = check_tables(open_store(str(folder)))
    assert problem.damage is Damage.FILE
    assert str(problem).startswith(f"images: data file scored_date=2026-03-04/{path.name} {state}")


def test_a_data_file_whose_contents_are_lost_is_named(folder: Path) -> None:
    path = data(folder / "predictions")[0]
    zero(path)
    (problem,) = check_tables(open_store(str(folder)))
    assert str(problem).endswith(f"{path.name} cannot be read")


def test_an_error_line_names_the_first_problems(folder: Path) -> None:
    for table in ("images", "predictions", "quarantine", "runs"):
        empty(entries(folder / table)[1])
    with pytest.raises(TableError) as caught:
        require_sound(open_store(str(folder)))
    assert str(caught.value) == (
        f"the tables at {folder} are damaged: images: entry 1 of its log is empty; predictions: "
        "entry 1 of its log is empty; quarantine: entry 1 of its log is empty; and 1 more; repair "
        f"them with `steeldefect maintain --repair --output {folder}`"
    )


def test_every_damage_has_a_repair() -> None:
    assert set(REPAIRS) == set(Damage)


def test_a_wave_that_is_being_published_is_no_damage(store: Store) -> None:
    two_nights(store)
    with hold(store, origin_of(4).run_id, 5, QUICK) as held:
        finish(store, origin_of(4), outcome=Outcome.RUNNING, seconds=0.0)
        parts = write_parts(store, ["one-3.png"], origin_of(4))
        record = WaveRecord(origin_of(4).run_id, 1, parts, held.number)
        seen = []

        def look() -> None:
            seen.append(check_tables(store))

        WaveLog(Tables(store)).publish(record, look)  # before the record, and between the tables
    assert seen == [[]] * len(seen)
    assert len(seen) >= 3


def test_a_run_that_begins_and_ends_during_a_check_is_no_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run publishes while the tables are opened, and ends before their rows are counted."""
    two_nights(store)
    running = ExitStack()
    plain_dataset = Tables.dataset

    def dataset(tables: Tables, table: TableName) -> ds.Dataset:
        if table is TableName.PREDICTIONS:  # the last
            held = running.enter_context(hold(store, "run-004", 5, QUICK))
            parts = write_parts(store, ["one-3.png"], origin_of(4))
            WaveLog(Tables(store)).publish(WaveRecord("run-004", 1, parts, held.number), held.check)
        return plain_dataset(tables, table)

    def count(rows: Rows) -> list[RunCounts]:
        running.close()
        return count_runs(rows)

    monkeypatch.setattr(Tables, "dataset", dataset)
    monkeypatch.setattr(health, "count_runs", count)
    assert check_tables(store) == []


def test_a_wave_that_a_dead_run_left_half_published_is_no_damage(store: Store) -> None:
    two_nights(store)
    record = die_after_record(store, ["one-3.png"], 4)
    predictions = [part for part in record.parts if part.table is TableName.PREDICTIONS]
    Tables(store).add(TableName.PREDICTIONS, predictions, record.run_id, record.wave)
    assert check_tables(store) == []


def test_tables_of_a_newer_version_are_refused(folder: Path) -> None:
    newer = {"steeldefect.schema_version": str(SCHEMA_VERSION + 1)}
    delta(folder, "images").alter.set_table_properties(newer, raise_if_not_exists=False)
    with pytest.raises(NewerTableError, match="use the program that wrote it"):
        check_tables(open_store(str(folder)))


def test_a_table_of_somebody_else_is_an_error_and_no_damage(store: Store) -> None:
    publish(store, {TableName.IMAGES: [image()]}, origin(1))
    shutil.rmtree(Path(store.uri, "images"))
    rows = Tables(store).read(TableName.PREDICTIONS)
    write_deltalake(store.delta_uri("images"), rows.select(["key"]).slice(0, 0))
    others = Path(store.uri, "images")
    write_deltalake(
        others, DeltaTable(others).to_pyarrow_table().from_pylist([{"key": "x"}]), mode="append"
    )
    with pytest.raises(TableError, match="is not a table of this program"):
        check_tables(store)


def test_a_store_that_does_not_answer_is_no_damage(store: Store) -> None:
    with pytest.raises(StoreError, match="no answer"):
        check_tables(UnreachableStore(store))
