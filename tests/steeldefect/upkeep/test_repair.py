"""Repair: after a repair and one more run, every picture is there once, whatever was damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pydantic import TypeAdapter
from support.damage import DAMAGES, data, empty, entries, halve, remove, zero
from support.examples import WRITTEN, finish
from support.interposing import DiedError, MortalStore
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

from steeldefect.errors import StoreError, TableError
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import acquire, hold
from steeldefect.publish.runs import Outcome
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.stores import Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.compaction import compact
from steeldefect.upkeep.damage import Damage
from steeldefect.upkeep.health import check_tables
from steeldefect.upkeep.repair import Repair, Repaired

ALL = PICTURES + MORE
WATCHED = (TableName.DRIFT, TableName.REPEATS, TableName.AGREEMENT)
HARMLESS = {
    # nobody misses these: what the last commit said is written again, or was said before
    ("last entry gone", TableName.RUNS),
    # these rows are lost without notice; watching the run again writes those of the first two, and
    # the other tables hold all that agreement is counted from
    *((f"{which} entry gone", one) for which in ("second", "last") for one in WATCHED),
}


def files(folder: Path) -> dict[Path, bytes]:
    """Return the files of all tables."""
    paths = (path for table in TableName for path in (folder / table.value).rglob("*"))
    return {path: path.read_bytes() for path in paths if path.is_file()}


def repair(store: Store, name: str = "repair-1") -> Repaired:
    with hold(store, name, 5, QUICK) as held:
        return Repair(store, held, name).run()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of two nights and an evaluation."""
    folder = tmp_path_factory.mktemp("sound") / "output"
    two_nights(open_store(str(folder)))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the output that the test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "output"))


def test_a_sound_output_is_left_alone(folder: Path) -> None:
    store = open_store(str(folder))
    assert_each_once(store, ALL)
    before = files(folder)
    assert repair(store) == Repaired()
    assert files(folder) == before


# All tables are mended in the same way. So the quick tests have half of the damages of `images`, a
# quarter of those of `runs`, whose rows may also be made from other tables, and fewer of the rest.
ONE_IN = {TableName.IMAGES: 2, TableName.RUNS: 4}
DAMAGED = [
    pytest.param(
        name,
        table,
        marks=() if (number - place) % ONE_IN.get(table, 18) == 0 else pytest.mark.slow,
        id=f"{name}-{table.value}",
    )
    for number, name in enumerate(DAMAGES)
    for place, table in enumerate(TableName)
]


@pytest.mark.parametrize(("name", "table"), DAMAGED)
def test_every_damage_of_every_table_is_mended(folder: Path, name: str, table: TableName) -> None:
    DAMAGES[name](folder / table.value)
    store = open_store(str(folder))
    problems = check_tables(store, whole=True)
    assert bool(problems) is ((name, table) not in HARMLESS)
    repaired = repair(store)
    assert repaired.left == []
    scored = night(store, ALL, 5)
    assert len(scored) <= repaired.pictures
    assert_each_once(store, ALL)


def test_a_run_does_not_start_on_damaged_tables(folder: Path) -> None:
    empty(entries(folder / "images")[1])
    store = open_store(str(folder))
    with pytest.raises(TableError) as caught:
        night(store, ALL, 4)
    assert str(caught.value) == (
        f"the tables at {folder} are damaged: images: entry 1 of its log is empty; repair them "
        f"with `steeldefect maintain --repair --output {folder}`"
    )


def test_what_was_lost_is_counted(folder: Path) -> None:
    remove(entries(folder / "predictions")[-1])  # of the second night: one-2.png and two-2.png
    store = open_store(str(folder))
    (problem,) = check_tables(store)
    assert str(problem) == (
        "predictions: run run-002: 0 predictions do not match the 3 defects in images, "
        "picture by picture"
    )
    repaired = repair(store)
    assert repaired.pictures == 2
    assert repaired.aside is None
    assert night(store, ALL, 5) == ["one-2.png", "two-2.png"]


def test_what_was_lost_is_counted_where_runs_are_lost_as_well(folder: Path) -> None:
    """A run that only lacks its row comes first by name, one that lost verdicts after it."""
    store = open_store(str(folder))
    shutil.rmtree(folder / "runs")
    remove(entries(folder / "images")[-1])
    kinds = [one.damage for one in check_tables(store)]
    assert kinds == [*[Damage.FINDINGS] * 3, Damage.RUN, Damage.RUN]
    assert repair(store).pictures == 2
    assert night(store, ALL, 5) == ["one-2.png", "two-2.png"]


def counted(store: Store, run_id: str) -> dict[str, Any]:
    rows = Tables(store).read(TableName.RUNS, None, {"run_id": run_id}).to_pylist()
    assert len(rows) == 1
    row: dict[str, Any] = rows[0]
    return row


def test_runs_say_what_is_left(folder: Path) -> None:
    store = open_store(str(folder))
    before = counted(store, "run-002")
    remove(entries(folder / "images")[-1])
    repair(store)
    after = counted(store, "run-002")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"scored", "defective"}
    assert (before["scored"], after["scored"]) == (3, 1)


def test_a_run_that_is_not_in_runs_is_written_from_its_rows(folder: Path) -> None:
    store = open_store(str(folder))
    before = counted(store, "run-002")
    shutil.rmtree(folder / "runs")
    assert repair(store).pictures == 0
    after = counted(store, "run-002")
    same = ("scored", "quarantined", "bundle", "scored_at", "run_number", "source", "job")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["outcome"], after["versions"]) == ("failed", "{}")
    assert json.loads(after["classes"]) == {"1": "class 1", "2": "class 2"}


def test_rows_that_lost_their_partner_in_two_tables_at_once_are_found(folder: Path) -> None:
    """The sums agree, and the run is not recorded to its end, but no picture fits."""
    store = open_store(str(folder))
    log = WaveLog(Tables(store))
    made = origin_of(7)
    night(store, ALL, 7)
    for wave, key in enumerate(("one-3.png", "one-4.png"), start=1):
        log.publish(WaveRecord(made.run_id, wave, write_parts(store, [key], made)), lambda: None)
    finish(store, made, outcome=Outcome.RUNNING, seconds=0.0)
    empty(entries(folder / "images")[-1])
    empty(entries(folder / "predictions")[-2])
    repaired = repair(store)
    assert repaired.left == []
    assert night(store, [*ALL, "one-3.png", "one-4.png"], 8) == ["one-3.png", "one-4.png"]
    assert_each_once(store, [*ALL, "one-3.png", "one-4.png"])


@pytest.mark.slow
def test_rows_that_came_back_are_there_once_again(folder: Path) -> None:
    """The entry of a compaction is lost, the next compaction used its file: both are read."""
    store = open_store(str(folder))
    for table in WRITTEN:
        compact(store, Tables(store), table)
        lost = entries(folder / table.value)[-1]
        night(store, [*ALL, f"one-{table.value}.png", f"bad-{table.value}.png"], 4)
        night(store, [*ALL, f"two-{table.value}.png", f"bad-2{table.value}.png"], 5)
        compact(store, Tables(store), table)
        empty(lost)
        assert check_tables(store)
        with pytest.raises(TableError, match="an entry of its log is empty"):
            Tables(store).read(table, ["key"])
        listed = pa.table(DeltaTable(str(folder / table.value)).get_add_actions(flatten=True))
        before = sum(listed["num_records"].to_pylist())
        repaired = repair(store, f"repair-{table.value}")
        assert repaired.left == []
        assert len(Tables(store).read(table, ["key"])) < before
        shutil.rmtree(folder)
        two_nights(store)


@pytest.mark.parametrize("outcome", [Outcome.RUNNING, Outcome.FAILED, Outcome.INTERRUPTED])
def test_second_copies_of_a_run_that_did_not_end_well_are_dropped(
    folder: Path, outcome: Outcome
) -> None:
    """No row states how many rows there should be, and predictions match the verdicts."""
    store = open_store(str(folder))
    keys = ["clean-3.png", "two-3.png", "bad-3.png"]
    die_after_record(store, keys, 4)
    if outcome is not Outcome.RUNNING:
        finish(store, origin_of(4), outcome=outcome, error="no answer", waves=0)
    night(store, ALL, 5)
    for table in WRITTEN:
        rows = Tables(store).read(table, None, {"run_id": "run-004"})
        for _ in range(2):
            write_deltalake(str(folder / table.value), rows, mode="append")
    assert [str(one) for one in check_tables(store)] == [
        "images: 4 rows of run run-004 are copies of other rows",
        "predictions: 4 rows of run run-004 are copies of other rows",
        "defects: 4 rows of run run-004 are copies of other rows",
        "mask_levels: 4 rows of run run-004 are copies of other rows",
        "quarantine: 2 rows of run run-004 are copies of other rows",
    ]
    repaired = repair(store)
    assert (repaired.left, repaired.pictures) == ([], 0)
    assert night(store, [*ALL, *keys], 6) == []
    assert_each_once(store, [*ALL, *keys])


@pytest.mark.parametrize("harm", [empty, zero, halve, remove])
@pytest.mark.parametrize(
    "table",
    [
        "images",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("predictions", "quarantine")),
    ],
)
def test_a_wave_whose_parts_are_gone_is_scored_again(
    folder: Path, table: str, harm: Callable[[Path], None]
) -> None:
    store = open_store(str(folder))
    record = die_after_record(store, ["one-3.png", "bad-3.png"], 9)
    (part,) = (part for part in record.parts if part.table.value == table)
    harm(folder / part.key)
    repaired = repair(store)
    assert repaired.left == []
    keys = [*ALL, "one-3.png", "bad-3.png"]
    night(store, keys, 10)
    assert_each_once(store, keys)


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"{}", b'{"run_id": "r"}', b"[]"])
def test_a_record_that_cannot_be_read_is_set_aside(folder: Path, content: bytes) -> None:
    store = open_store(str(folder))
    path = folder / die_after_record(store, ["one-3.png"], 9).key
    path.write_bytes(content)
    (problem,) = check_tables(store)
    assert problem.where == "_waves/run-009-000001.json"
    repaired = repair(store)
    assert (repaired.left, repaired.waves) == ([], 1)
    aside = folder / "_damaged" / "repair-1" / "_waves" / path.name
    assert aside.read_bytes() == content
    assert repaired.aside == str(folder / "_damaged" / "repair-1") + "/"
    assert night(store, [*ALL, "one-3.png"], 10) == ["one-3.png"]
    assert_each_once(store, [*ALL, "one-3.png"])


def test_a_record_that_is_sound_is_completed(folder: Path) -> None:
    store = open_store(str(folder))
    die_after_record(store, ["one-3.png"], 9)
    empty(entries(folder / "images")[-1])
    assert "completed wave 1 of run run-009" in repair(store).done


def test_a_claim_that_cannot_be_read_is_set_aside_with_the_waves_it_may_name(folder: Path) -> None:
    store = open_store(str(folder))
    (claim,) = (folder / "_waves" / "claims").glob("*.json")
    late = die_after_record(store, ["one-3.png"], 9)
    late = replace(late, holder=late.holder - 1)
    (folder / late.key).write_bytes(TypeAdapter(WaveRecord).dump_json(late))
    die_after_record(store, ["one-4.png"], 10)
    empty(claim)
    with pytest.raises(TableError, match=r"not a claim .* `steeldefect maintain --repair`: it"):
        night(store, ALL, 11)
    (problem,) = check_tables(store)
    assert problem.where == f"_waves/claims/{claim.name}"
    repaired = repair(store)
    assert (repaired.left, repaired.pictures) == ([], 1)
    keys = [*ALL, "one-3.png", "one-4.png"]
    assert night(store, keys, 11) == ["one-3.png"]
    assert_each_once(store, keys)


def test_a_store_that_fails_at_the_last_is_an_error_of_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(delta: DeltaTable) -> None:
        raise OSError("no answer")

    empty(entries(folder / "images")[1])
    monkeypatch.setattr(DeltaTable, "create_checkpoint", fail)
    with pytest.raises(StoreError, match="no answer; check the store and start again"):
        repair(open_store(str(folder)))


def test_several_damages_at_once_are_mended(folder: Path) -> None:
    store = open_store(str(folder))
    halve(folder / die_after_record(store, ["one-3.png"], 9).key)
    zero(entries(folder / "images")[1])
    remove(entries(folder / "predictions")[1])
    shutil.rmtree(folder / "quarantine")
    shutil.rmtree(folder / "runs")
    evaluated = folder / "confusions"
    shutil.rmtree(evaluated)
    assert repair(store).left == []
    keys = [*ALL, "one-3.png"]
    night(store, keys, 10)
    assert_each_once(store, keys)
    evaluate(store, 11)
    assert check_tables(store) == []


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=() if number % 2 == 0 else pytest.mark.slow)
        for number, step in enumerate(range(4, 108, 9))
    ],
)
def test_a_repair_that_died_is_done_by_the_next(folder: Path, step: int) -> None:
    store = open_store(str(folder))
    halve(folder / die_after_record(store, ["one-3.png"], 9).key)
    empty(entries(folder / "images")[-1])
    remove(data(folder / "predictions")[0])
    mortal = MortalStore(store, step)
    with pytest.raises(DiedError):
        Repair(mortal, acquire(store, "dies", 5, QUICK), "dies").run()
    assert repair(store).left == []
    keys = [*ALL, "one-3.png"]
    night(store, keys, 10)
    assert_each_once(store, keys)


def test_an_evaluation_whose_rows_are_lost_is_marked(folder: Path) -> None:
    store = open_store(str(folder))
    remove(entries(folder / "metrics")[-1])
    (problem,) = check_tables(store)
    assert str(problem) == "metrics: no row of the evaluation run-003"
    repair(store)
    assert counted(store, "run-003")["outcome"] == "failed"
    assert check_tables(store) == []
