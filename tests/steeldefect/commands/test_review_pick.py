"""`steeldefect review pick`: a queue on the terminal or in a file."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.examples import BUNDLE, origin
from support.reviewing import Night
from support.samples import run_program

from steeldefect.cli import main
from steeldefect.stores import Store


@pytest.fixture
def output(store: Store, tmp_path: Path) -> Store:
    """An output with two doubtful pictures and a certain one."""
    night = Night(tmp_path / "archive")
    night.scored("line 1/gate.png", 1, gate_probability=0.012, coil="17", position_mm=2500.0)
    night.with_rejected("line 1/below.png", 9, seed=2)
    night.scored("line 1/certain.png", 3)
    night.end(store)
    return store


def pick(output: Store, *words: str) -> int:
    return main(["review", "pick", "--output", output.uri, *words])


def test_a_table_goes_to_the_terminal(output: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert pick(output, "--random-share", "0") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "rank  kind        score  key               coil  position_mm  reason",
        "   1  gate         0.83  line 1/gate.png   17           2500  gate 0.012, threshold 0.010",
        "   2  area_below   0.81  line 1/below.png                     class scratch: 81 px in 1 "
        "region removed, minimum area 100 px",
    ]
    progress, note = shown.err.splitlines()
    assert progress.startswith("review queue: 2/2 pictures (100%)")
    assert note == "2 of 100 pictures: no other one is doubtful"


def test_a_file_holds_every_column(
    output: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "queue.csv"
    words = ["--count", "2", "--random-share", "0.5", "--seed", "3", "--to", str(file)]
    assert pick(output, *words) == 0
    assert capsys.readouterr().out == f"2 rows in {file}\n"
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert sorted(row["kind"] == "random" for row in rows) == [False, True]
    assert {row["bundle"] for row in rows} == {BUNDLE}
    (drawn,) = [row for row in rows if row["kind"] == "random"]
    assert drawn["reason"].startswith("drawn at random, number 1 with seed 3")
    before = file.read_bytes()
    assert pick(output, *words) == 4
    assert "exists; name another file, or add --overwrite" in capsys.readouterr().err
    assert pick(output, *words, "--overwrite") == 0
    assert file.read_bytes() == before, "the same queue again"


def test_bundles_are_chosen_by_their_first_digits(
    output: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = Night(tmp_path / "archive")
    night.with_region("line 1/certain.png", 30, 3)
    night.end(output, origin(1, "c" * 64))
    assert pick(output, "--bundle", "b", "--other", "c", "--random-share", "0") == 0
    shown = capsys.readouterr()
    assert "class scratch: nothing, but 900 px by bundle cccccccccccc" in shown.out
    assert pick(output, "--bundle", "b", "--other", "b") == 2
    assert "bbbbbbbbbbbb is the bundle itself" in capsys.readouterr().err
    assert pick(output, "--bundle", "d") == 10
    assert "no bundle begins with 'd'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--random-share", "1.5"], "random share 1.5: expected 0 to 1"),
        (["--count", "0"], "'0' is not a whole number above 0"),
        (["--to", "queue.doc"], "unknown file name ending"),
        (["--to", "s3://plant/queue.csv"], "is not a local path"),
        (["--sed", "1"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments(
    output: Store, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pick(output, *words) == 2
    assert problem in capsys.readouterr().err


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review"]) == 2
    assert "see steeldefect review --help" in capsys.readouterr().err
    assert main(["review", "pik"]) == 2
    assert "did you mean pick?" in capsys.readouterr().err


def test_neither_spark_nor_models_are_needed(output: Store) -> None:
    code = (
        "import sys; from steeldefect.cli import main; code = main(sys.argv[1:]); "
        "print([one for one in ('pyspark', 'tensorflow', 'openvino') if one in sys.modules]); "
        "sys.exit(code)"
    )
    ended = run_program("-c", code, "review", "pick", "--output", output.uri)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == "[]"
