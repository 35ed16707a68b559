"""`steeldefect find`: a few pictures, without Spark."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.samples import both_picture, bright_picture, plain_picture, run_program, save

import steeldefect
from steeldefect.bundle.files import Bundle
from steeldefect.cli import main


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, str]:
    """A plain picture, a picture with two defects, and a file that is not a picture."""
    made = {"plain": plain_picture(), "both": both_picture()}
    paths = {name: str(save(picture, tmp_path / f"{name}.png")) for name, picture in made.items()}
    words = tmp_path / "words.png"
    words.write_text("these are words\n")
    return paths | {"words": str(words)}


def find(bundle: Bundle, *words: str) -> int:
    return main(["find", *words, "--bundle", str(bundle.folder)])


def test_findings_are_lines_for_people(
    rule_bundle: Bundle, pictures: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(rule_bundle, pictures["plain"], pictures["both"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.splitlines() == [
        f"{pictures['plain']}: gated (gate 0.000)",
        f"{pictures['both']}: defect (gate 1.000)",
        "  1 bright: 256 pixels, 1 region, rows 10 to 25, columns 20 to 35, mean probability 1.000",
        "  2 dark: 256 pixels, 1 region, rows 30 to 45, columns 80 to 95, mean probability 1.000",
    ]


def test_json_is_the_result_of_the_library(
    rule_bundle: Bundle, pictures: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(rule_bundle, pictures["both"], pictures["plain"], "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    detector = steeldefect.open_detector(rule_bundle.folder)
    assert lines == [detector.find(pictures[name]).as_dict() for name in ("both", "plain")]


def test_what_cannot_be_scored_is_named_and_the_others_are_scored(
    rule_bundle: Bundle, pictures: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(rule_bundle, pictures["words"], "/nowhere/a.png", pictures["both"]) == 7
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].startswith(f"{pictures['words']}: not scored: not a JPEG, PNG, BMP or TIFF")
    assert lines[1].startswith("/nowhere/a.png: not scored: cannot read /nowhere/a.png: No such")
    assert lines[2] == f"{pictures['both']}: defect (gate 1.000)"
    assert shown.err == "error: 2 of 3 pictures could not be scored\n"


def test_one_picture_is_drawn_into_a_file_and_never_over_another(
    rule_bundle: Bundle,
    pictures: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "drawn.PNG"
    assert find(rule_bundle, pictures["both"], "--draw", str(out)) == 0
    with Image.open(out) as drawn:
        assert drawn.size[0] == 900
        strip = drawn.convert("RGB").crop((0, 30, 128, 94))
        pixels = np.asarray(strip, np.int16)
        colours = set((pixels.max(axis=2) - pixels.min(axis=2) > 10).ravel().tolist())
    assert colours == {True, False}  # masks are coloured, the rest is gray
    before = out.read_bytes()
    assert find(rule_bundle, pictures["plain"], "--draw", str(out)) == 4
    assert out.read_bytes() == before
    assert "exists; name another file, or add --overwrite" in capsys.readouterr().err
    assert find(rule_bundle, pictures["plain"], "--draw", str(out), "--overwrite") == 0
    assert out.read_bytes() != before


def test_several_pictures_are_drawn_into_a_folder(
    rule_bundle: Bundle,
    pictures: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "drawn"
    other = str(save(bright_picture(), tmp_path / "line 2" / "both.png"))
    assert find(rule_bundle, *pictures.values(), other, "--draw", str(folder)) == 7
    assert sorted(path.name for path in folder.iterdir()) == ["both-2.png", "both.png", "plain.png"]
    assert find(rule_bundle, pictures["plain"], "--draw", str(folder)) == 0
    assert [path.name for path in folder.iterdir()] == ["plain.png"]
    (folder / "notes.txt").write_text("mine")
    assert find(rule_bundle, pictures["plain"], "--draw", str(folder)) == 4
    assert "holds notes.txt, which this command did not draw" in capsys.readouterr().err
    assert find(rule_bundle, pictures["plain"], other, "--draw", str(tmp_path / "a.png")) == 2
    assert "2 pictures need a folder; name one without .png" in capsys.readouterr().err


def test_settings_count(
    rule_bundle: Bundle, pictures: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(rule_bundle, pictures["both"], "--set", "max_picture_pixels=10") == 7
    assert "too large: 128x64 pixels" in capsys.readouterr().out
    assert find(rule_bundle, pictures["both"], "--set", "precison=f32") == 2
    assert "precison: no such setting (did you mean precision?)" in capsys.readouterr().err


def test_neither_spark_nor_tensorflow_nor_pandas_is_needed(
    rule_bundle: Bundle, pictures: dict[str, str]
) -> None:
    words = ("find", pictures["both"], "--bundle", str(rule_bundle.folder))
    ended = run_program("-X", "importtime", "-m", "steeldefect", *words)
    assert ended.code == 0
    loaded = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
    assert "openvino" in loaded
    assert not {"duckdb", "pandas", "pyspark", "tensorflow"}.intersection(loaded)
