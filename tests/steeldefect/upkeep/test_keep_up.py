"""Upkeep of an output without a run, and of an output beside runs."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from support.damage import DAMAGES
from support.examples import finish
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

from steeldefect.errors import OutputBusyError, TableError
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import acquire, hold
from steeldefect.publish.runs import Outcome
from steeldefect.publish.wave_records import WaveRecord, pending_records
from steeldefect.stores import Store, open_store
from steeldefect.tables.data_files import data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.compaction import compact
from steeldefect.upkeep.keep_up import UpkeepRules, Upkept, keep_up, preview
from steeldefect.upkeep.orphans import staged_files

ALL = PICTURES + MORE
AT_ONCE = UpkeepRules(timedelta(0), timedelta(0), wait_seconds=2)
MONTHS = 100 * 24 * 3600


def keep(store: Store, rules: UpkeepRules = AT_ONCE) -> Upkept:
    return keep_up(store, rules, QUICK)


def age(folder: Path, seconds: float = MONTHS) -> None:
    """Make all files of a folder old."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


def count_files(store: Store) -> dict[str, int]:
    """Count the data files of each table's newest version."""
    opened = {table: Tables(store).open(table) for table in TableName}
    return {
        table.value: len(data_files(store, table, delta))
        for table, delta in opened.items()
        if delta is not None
    }


def below(folder: Path) -> set[str]:
    """List the files of an output, without those of the lock."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path for path in found if not path.startswith("_lock")}


@pytest.mark.parametrize(
    "any_store", ["local", pytest.param("s3", marks=pytest.mark.slow)], indirect=True
)
def test_all_of_it_at_once(any_store: Store) -> None:
    two_nights(any_store)
    record = die_after_record(any_store, ["one-3.png", "bad-3.png"], 4)
    write_parts(any_store, ["one-4.png"], origin_of(5))  # by a run that died before its record
    time.sleep(1.1)  # a store's clock may show seconds
    upkept = keep(any_store)
    assert upkept.left == []
    assert upkept.freed > 10_000
    assert upkept.done[:2] == [
        f"finished wave 1 of run {record.run_id}",
        "deleted 4 files that nothing names",
    ]
    assert count_files(any_store) == dict.fromkeys((table.value for table in TableName), 1)
    data = [found.key for found in any_store.scan() if found.key.endswith("-c000.zstd.parquet")]
    assert data == []
    again = keep(any_store)
    assert (again.done, again.left, again.freed) == ([], [], 0)
    night(any_store, [*ALL, "one-3.png", "bad-3.png"], 6)
    assert_each_once(any_store, [*ALL, "one-3.png", "bad-3.png"])


def test_by_default_earlier_versions_and_young_files_stay(store: Store) -> None:
    folder = Path(store.uri)
    two_nights(store)
    write_parts(store, ["one-4.png"], origin_of(5))
    before = below(folder)
    upkept = keep(store, UpkeepRules(wait_seconds=2))
    assert before <= below(folder) | {"_waves/claims/000000002.json"}
    assert upkept.freed == 0
    opened = Tables(store).open(TableName.IMAGES)
    assert opened is not None
    opened.load_as_version(3)
    assert opened.to_pyarrow_table().num_rows > 0


def test_recovery_knows_commits_after_log_and_checkpoint_were_cleared(store: Store) -> None:
    two_nights(store)
    record = die_after_record(store, ["one-3.png", "two-3.png"], 4)
    night(store, ALL, 5)  # carries the record out
    for number in range(6, 10):
        night(store, [*ALL, "one-3.png", "two-3.png", f"clean-{number}.png"], number)
    keep(store)
    for table in TableName:
        age(Path(store.uri, table.value, "_delta_log"))
    done = keep(store).done
    assert [line for line in done if line.startswith("images: deleted") and "its log" in line]
    entries = list(Path(store.uri, "images", "_delta_log").glob("*.json"))
    assert len(entries) < 4  # of more than ten
    store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    keys = [*ALL, "one-3.png", "two-3.png", *(f"clean-{one}.png" for one in range(6, 10))]
    assert night(store, keys, 10) == []
    assert pending_records(store) == []
    assert_each_once(store, keys)


def test_what_nothing_names_goes_once_it_is_old(store: Store) -> None:
    folder = Path(store.uri)
    two_nights(store)
    partition = next((folder / "images").glob("scored_date=*"))
    old = [
        folder / write_parts(store, ["clean-9.png"], origin_of(5))[0].key,
        partition / "part-7.parquet#1",
        folder / "images/_delta_log/_commit_0123.json.tmp",
        partition / ".staged-abc",
        folder / "_waves/.staged-def",
    ]
    kept = [partition / "notes.txt", folder / "images/_delta_log/notes.json", folder / "a.parquet"]
    for path in [*old[1:], *kept]:
        path.write_bytes(b"x")
    for path in [*old, *kept]:
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    young = folder / write_parts(store, ["clean-9.png"], origin_of(5))[0].key
    os.utime(young, (time.time() - 23 * 3600,) * 2)
    upkept = keep(store, UpkeepRules(wait_seconds=2))
    assert "deleted 5 files that nothing names" in upkept.done
    assert [path for path in old if path.exists()] == []
    assert [path for path in [*kept, young] if not path.exists()] == []


def test_a_file_that_a_process_left_while_it_wrote_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        store.write("images/part.parquet", b"half")
    monkeypatch.undo()
    assert [found.size for found in staged_files(store)] == [4]


def test_parts_that_a_run_may_still_publish_stay(store: Store) -> None:
    """A run holds the output and has published nothing yet: its files stay at any age."""
    two_nights(store)
    with hold(store, "slow", 5, QUICK) as held:
        parts = write_parts(store, ["one-3.png"], origin_of(4))
        for part in parts:
            os.utime(Path(store.uri, part.key), (time.time() - MONTHS,) * 2)
        upkept = keep(store, UpkeepRules(timedelta(0), timedelta(0), wait_seconds=1))
        (left,) = upkept.left
        assert re.search(r": \S+ is being written by run slow[^;]*$", left)  # and no advice
        assert count_files(store)["images"] == 1
        finish(store, origin_of(4), outcome=Outcome.RUNNING, seconds=0.0)
        WaveLog(Tables(store)).publish(WaveRecord("run-004", 1, parts, held.number), held.check)
    night(store, [*ALL, "one-3.png"], 5)
    assert "one-3.png" in Tables(store).read(TableName.IMAGES, ["key"])["key"].to_pylist()


def interrupted(*_: object, **__: object) -> None:
    """Stand for a commit that never comes."""
    raise OutputBusyError("images")


def test_what_another_compaction_may_still_commit_stays_for_an_hour(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a compaction are kept for any given age: a compaction does not hold the output."""
    two_nights(store)
    with monkeypatch.context() as patched:
        patched.setattr("steeldefect.upkeep.compaction.exchange_files", interrupted)
        with pytest.raises(OutputBusyError):
            compact(store, Tables(store), TableName.IMAGES)
    (merged,) = Path(store.uri, "images").rglob("part-compacted-*")
    staged, unfinished = merged.with_name(".staged-abc"), merged.with_name("part-7.parquet#1")
    written = [merged, staged, unfinished]
    for path in written[1:]:
        path.write_bytes(b"x")
    time.sleep(0.05)
    keep(store)
    assert [path for path in written if not path.exists()] == []
    for path in written:
        os.utime(path, (time.time() - 3700,) * 2)
    assert "deleted 3 files that nothing names" in keep(store).done


def test_a_dead_holder_is_told_from_a_living_one(store: Store) -> None:
    two_nights(store)
    acquire(store, "dead", 5, QUICK)  # shows no sign of life
    assert keep(store).left == []


def test_parts_of_a_record_that_a_claim_dropped_are_deleted(store: Store) -> None:
    two_nights(store)
    record = die_after_record(store, ["one-3.png"], 4)
    late = replace(record, holder=record.holder - 1)
    store.write(record.key, TypeAdapter(WaveRecord).dump_json(late))
    time.sleep(0.05)
    dropped = f"drop the wave of {record.key}: its record was written too late"
    assert preview(store, AT_ONCE).done[0] == dropped
    assert "deleted 4 files that nothing names" in keep(store).done
    assert_each_once(store, ALL)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def test_upkeep_beside_runs_that_publish(store: Store) -> None:
    """Runs in one thread, upkeep in two others, as often as they can."""
    keys = [
        f"{kind}-{number}.png" for kind in ("clean", "one", "two", "bad") for number in range(9)
    ]
    night(store, keys[:4], 1)

    def runs() -> None:
        for number in range(2, 6):
            night(store, keys[: 8 * number - 4], number, wave=1)

    scoring, failures = in_thread(runs)
    rounds = [0, 0]

    def maintain(place: int) -> None:
        while scoring.is_alive():
            keep(store, UpkeepRules(timedelta(0), wait_seconds=0.1))
            rounds[place] += 1

    others = [in_thread(lambda place=place: maintain(place)) for place in range(2)]
    scoring.join()
    for thread, _ in others:
        thread.join()
    assert failures + [error for _, errors in others for error in errors] == []
    assert min(rounds) >= 2
    assert_each_once(store, keys)
    keep(store)
    assert count_files(store)["images"] == 1
    assert_each_once(store, keys)


def test_damaged_tables_are_not_touched(store: Store) -> None:
    folder = Path(store.uri)
    two_nights(store)
    DAMAGES["second entry emptied"](folder / "images")
    before = below(folder)
    with pytest.raises(TableError, match=r"entry 1 of its log is empty.*--repair"):
        keep(store)
    with pytest.raises(TableError, match=r"entry 1 of its log is empty.*--repair"):
        preview(store, AT_ONCE)
    assert below(folder) == before


def test_a_preview_says_what_would_be_done_and_writes_nothing(store: Store) -> None:
    folder = Path(store.uri)
    two_nights(store)
    evaluate(store, 4)
    record = die_after_record(store, ["one-3.png"], 5)
    write_parts(store, ["clean-9.png"], origin_of(6))
    time.sleep(0.05)
    before = {path: (folder / path).stat().st_mtime_ns for path in below(folder)}
    previewed = preview(store, AT_ONCE)
    assert previewed.done == [
        f"finish the wave of {record.key}",
        "delete 1 files that nothing names",
        "images: make 1 data files of 4",
        "predictions: make 1 data files of 2",
        "defects: make 1 data files of 2",
        "mask_levels: make 1 data files of 2",
        "quarantine: make 1 data files of 2",
        "confusions: delete 1 files of earlier versions",
        "metrics: make 1 data files of 2",
        "runs: make 1 data files of 6",
        "runs: delete 2 files of earlier versions",
    ]
    assert previewed.left == []
    assert {path: (folder / path).stat().st_mtime_ns for path in below(folder)} == before


def test_nothing_lies_there_yet(tmp_path: Path) -> None:
    upkept = keep(open_store(str(tmp_path / "output")))
    assert (upkept.done, upkept.left, upkept.freed) == ([], [], 0)
