"""`steeldefect show`: one picture on the terminal, and as a drawing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.examples import origin
from support.reviewing import Night
from support.samples import run_program

from steeldefect.cli import main
from steeldefect.stores import Store


@pytest.fixture
def night(store: Store, tmp_path: Path) -> Night:
    """Pictures of two lines; one of them has a defect."""
    night = Night(tmp_path / "archive")
    night.with_region("line 1/a.png", 20, 1)
    night.scored("line 2/a.png", 2)
    night.scored('it\'s "100%".png', 3)
    night.end(store)
    return night


def show(store: Store, *words: str) -> int:
    return main(["show", "--output", store.uri, *words])


def test_a_picture_is_shown(store: Store, night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(store, "line 1/a.png") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.splitlines()[:2] == ["line 1/a.png", f"  source  {night.archive}"]
    assert "  1 defect" in shown.out.splitlines()
    assert show(store, 'it\'s "100%".png') == 0
    assert capsys.readouterr().out.startswith('it\'s "100%".png\n')


def test_unclear_names_end_with_code_2(
    store: Store, night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(store, "a.png") == 2
    addresses = ", ".join(f"{night.archive}/line {number}/a.png" for number in (1, 2))
    error = f"error: 2 pictures are named a.png: {addresses}; give the address of one\n"
    assert capsys.readouterr().err == error
    assert show(store, "line 3/a.png") == 2
    assert "did you mean line " in capsys.readouterr().err


def test_a_picture_is_drawn(
    store: Store, night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new folder" / "a.png"
    words = ["line 1/a.png", "--draw", str(out)]
    assert show(store, *words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"bundle bbbbbbbbbbbb drawn in {out}"
    with Image.open(out) as drawing:
        assert drawing.format == "PNG"
        assert drawing.width == 1560
    before = out.read_bytes()
    assert show(store, *words) == 4
    assert "exists; name another file, or add --overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert show(store, *words, "--overwrite") == 0


def test_the_bundle_of_the_drawing_is_chosen(
    store: Store, night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = Night(night.archive)
    later.scored("line 1/a.png", 1)
    later.end(store, origin(1, "c" * 64))
    words = ["line 1/a.png", "--draw"]
    assert show(store, *words, str(tmp_path / "newest.png")) == 0
    assert "bundle cccccccccccc drawn" in capsys.readouterr().out
    assert show(store, *words, str(tmp_path / "other.png"), "--bundle", "b") == 0
    assert "bundle bbbbbbbbbbbb drawn" in capsys.readouterr().out
    assert show(store, *words, str(tmp_path / "none.png"), "--bundle", "d") == 2
    assert "was not scored by a bundle d" in capsys.readouterr().err


def test_what_is_gone_is_shown_and_the_drawing_fails(
    store: Store, night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (night.archive / "line 1/a.png").unlink()
    assert show(store, "line 1/a.png", "--draw", str(tmp_path / "a.png")) == 4
    shown = capsys.readouterr()
    assert "  1 defect" in shown.out.splitlines()
    assert shown.err == (
        f"error: cannot read {night.archive}/line 1/a.png: No such file or directory\n"
    )


def test_neither_spark_nor_models_are_needed(store: Store, night: Night, tmp_path: Path) -> None:
    code = (
        "import sys; from steeldefect.cli import main; code = main(sys.argv[1:]); "
        "print([one for one in ('pyspark', 'tensorflow', 'openvino') if one in sys.modules]); "
        "sys.exit(code)"
    )
    words = ["line 1/a.png", "--output", store.uri, "--draw", str(tmp_path / "a.png")]
    ended = run_program("-c", code, "show", *words)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == "[]"
