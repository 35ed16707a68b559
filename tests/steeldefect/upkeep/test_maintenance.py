"""The command `steeldefect maintain`: what it prints, and its exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.damage import data, empty, entries, remove, zero_column
from support.nights import (
    MORE,
    PICTURES,
    QUICK,
    assert_each_once,
    die_after_record,
    night,
    two_nights,
)
from support.samples import run_program

from jobs import maintain as job
from steeldefect.cli import main as steeldefect
from steeldefect.errors import TableError
from steeldefect.publish.lease import hold
from steeldefect.stores import open_store

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


def maintain(folder: Path, *options: str) -> int:
    return steeldefect(["maintain", "--output", str(folder), *options])


def test_sound_tables_pass_the_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert maintain(folder, "--check") == 0
    assert capsys.readouterr().out == f"the tables at {folder} are sound\n"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_check_and_repair_of_damaged_tables(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty(entries(folder / "images")[-1])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert maintain(folder, "--check") == 10
    shown = capsys.readouterr()
    assert shown.out == (
        "images: entry 4 of its log is empty; --repair sets damaged objects aside and writes "
        "missing entries; pictures that lose their rows are scored again\n"
    )
    assert shown.err == (
        f"error: the tables at {folder} are damaged: images: entry 4 of its log is empty; repair "
        f"them with `steeldefect maintain --repair --output {folder}`\n"
    )
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    assert maintain(folder, "--repair") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "images: repaired its log: entry 4 of its log is empty",
        "predictions: dropped 3 rows",
        "defects: dropped 3 rows",
        "mask_levels: dropped 3 rows",
        "runs: corrected the row of run run-002",
    ]
    assert lines[5].startswith(f"damaged objects were moved to {folder}/_damaged/")
    assert lines[6:] == [
        f"the tables at {folder} are sound; the next run scores about 2 pictures again"
    ]
    assert maintain(folder, "--check") == 0
    assert night(open_store(str(folder)), ALL, 4) == ["one-2.png", "two-2.png"]
    assert_each_once(open_store(str(folder)), ALL)


def test_a_damaged_column_that_runs_do_not_check_is_found_and_mended(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data(folder / "images")[0]
    zero_column(path, "etag")
    assert maintain(folder, "--check") == 10
    shown = capsys.readouterr().out
    assert shown.startswith(f"images: data file {path.parent.name}/{path.name} cannot be read; --r")
    assert maintain(folder) == 10
    assert f"{path.name} of table {folder}/images cannot be read;" in capsys.readouterr().err
    with pytest.raises(TableError, match="`steeldefect maintain --check` to see what is wrong"):
        night(open_store(str(folder)), ALL, 4)
    assert maintain(folder, "--repair") == 0
    assert "the next run scores about 1 pictures again" in capsys.readouterr().out
    assert len(night(open_store(str(folder)), ALL, 5)) == 1
    assert_each_once(open_store(str(folder)), ALL)


def test_a_repair_of_sound_tables_does_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maintain(folder, "--repair") == 0
    assert capsys.readouterr().out == (
        f"the tables at {folder} are sound; no picture has to be scored again\n"
    )


def test_many_problems_are_cut_short(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(60):
        (folder / "_waves" / f"run-{number:03d}-000001.json").write_bytes(b"")
    assert maintain(folder, "--check") == 10
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 51
    assert lines[-1] == "... and 10 more"


def test_a_repair_waits_for_a_run_that_holds_the_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(entries(folder / "images")[-1])
    with hold(open_store(str(folder)), "busy", 5, QUICK):
        assert maintain(folder, "--repair", "--set", "lock_wait_seconds=0.5") == 6
    assert "is being written by run busy" in capsys.readouterr().err


def test_upkeep_says_what_it_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = die_after_record(open_store(str(folder)), ["one-3.png"], 4)
    assert maintain(folder, "--dry-run") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"finish the wave of {record.key}"
    assert shown[-1].startswith("would free 0.0 MiB")
    assert maintain(folder) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == [
        "finished wave 1 of run run-004",
        "images: made 1 data files of 5",
    ]
    assert shown[-1] == f"freed 0.0 MiB at {folder}"
    assert maintain(folder, "--retention-hours", "0", "--min-age-hours", "0") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "images: deleted 5 files of earlier versions"
    assert maintain(folder, "--retention-hours", "0") == 0
    assert capsys.readouterr().out == f"nothing to do\nfreed 0.0 MiB at {folder}\n"
    assert maintain(folder, "--check") == 0


def test_a_mistyped_address_becomes_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_bytes(b"x")
    for options in ((), ("--check",), ("--repair",), ("--dry-run",)):
        assert maintain(tmp_path / "other", *options) == 10
        assert "no tables at" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "options",
    [
        ["--check", "--repair"],
        ["--repair", "--dry-run"],
        ["--min-age-hours", "-1"],
        ["--retention-hours", "soon"],
        ["--retention-hours", "169"],
        ["--set", "lock_wait_seconds=long"],
    ],
)
def test_wrong_options_are_refused(folder: Path, options: list[str]) -> None:
    assert maintain(folder, *options) == 2


def test_what_a_log_forgets_cannot_be_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maintain(folder, "--dry-run", "--retention-hours", "168") == 0
    assert maintain(folder, "--dry-run", "--retention-hours", "1000") == 2
    assert "--retention-hours: 1000 is more than 168: after that" in capsys.readouterr().err


def test_the_job_does_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.main(["--output", str(folder), "--check"]) == 0
    assert capsys.readouterr().out == f"the tables at {folder} are sound\n"
    assert job.main(["--output", str(folder), "--check", "--repair"]) == 2


def test_a_program_of_its_own_ends_with_the_same_code(folder: Path) -> None:
    for _ in range(3):
        ended = run_program("jobs/maintain.py", "--output", str(folder))
        assert (ended.code, ended.err) == (0, "")
    remove(data(folder / "images")[0])
    ended = run_program("-m", "steeldefect.cli", "maintain", "--output", str(folder), "--check")
    assert ended.code == 10
