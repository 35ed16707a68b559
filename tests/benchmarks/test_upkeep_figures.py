"""The measurement of upkeep, on a few small waves."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.upkeep.__main__ import main
from benchmarks.upkeep.nights import write_at_once, write_waves
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.health import check_tables


def test_both_outputs_hold_the_same_rows_and_are_sound(tmp_path: Path) -> None:
    waves, at_once = open_store(str(tmp_path / "waves")), open_store(str(tmp_path / "at-once"))
    write_waves(waves, nights=2, waves=3, pictures=4)
    write_at_once(at_once, waves, nights=2)
    assert check_tables(waves) == check_tables(at_once) == []
    for table in TableName:
        first = Tables(waves).read(table).to_pylist()
        second = Tables(at_once).read(table).to_pylist()
        assert sorted(map(str, first)) == sorted(map(str, second))
    assert Tables(waves).read(TableName.IMAGES).num_rows == 24


def test_the_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ["--nights", "2", "--waves", "3", "--pictures", "4", "--repetitions", "1"]
    out = tmp_path / "figures.md"
    places = ["--work", str(tmp_path / "work"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["benchmarks.upkeep", *sizes, *places])
    assert main() == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert "| data files of `images` | 6 | 2 | | 2 |" in lines
    assert sum(line.startswith("| plan a run |") for line in lines) == 1
    assert "- images: made 2 data files of 6" in lines
