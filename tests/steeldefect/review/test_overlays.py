"""Masks drawn over pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support.examples import Row, finish, image, origin, prediction, publish
from support.samples import HEIGHT, WIDTH, both_picture, bright_picture, plain_picture, save

from steeldefect.cli import main
from steeldefect.errors import AlreadyExistsError, DecodeError, StoreError, TableError
from steeldefect.pictures import run_lengths
from steeldefect.review.overlays import draw_overlays
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.schema import TableName

BRIGHT = run_lengths.encode(both_picture() == 250)
DARK = run_lengths.encode(both_picture() == 2)
CAPTION, GAP = 30, 6
STRIP = CAPTION + HEIGHT + GAP


@pytest.fixture
def archive(tmp_path: Path, store: Store) -> Path:
    """Write three pictures and their findings: two classes, one class, none."""
    folder = tmp_path / "archive"
    save(both_picture(), folder / "both.png")
    save(bright_picture(), folder / "line 1/bright.png")
    save(plain_picture(), folder / "plain.png")
    place = {"source": str(folder)}
    found = [("both.png", 1, BRIGHT), ("both.png", 2, DARK), ("line 1/bright.png", 1, BRIGHT)]
    publish(
        store,
        {
            TableName.IMAGES: [
                image("both.png", **place),
                image("line 1/bright.png", **place),
                image("plain.png", verdict="gated", gate_probability=0.001, **place),
            ],
            TableName.PREDICTIONS: [
                prediction(key, class_id=number, run_lengths=text, **place)
                for key, number, text in found
            ],
        },
    )
    finish(store)
    return folder


def draw(store: Store, tmp_path: Path, truth: str | None = None, count: int = 6) -> list[Path]:
    return draw_overlays(store, ScoreSettings(), truth, tmp_path / "drawn", count)


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_pictures_with_masks_are_drawn(archive: Path, store: Store, tmp_path: Path) -> None:
    paths = draw(store, tmp_path)
    assert sorted(path.name for path in paths) == ["both.png", "bright.png"]
    assert sorted((tmp_path / "drawn").iterdir()) == sorted(paths)


def test_masks_are_coloured_and_the_rest_stays_gray(
    archive: Path, store: Store, tmp_path: Path
) -> None:
    (path,) = (path for path in draw(store, tmp_path) if path.name == "both.png")
    sheet = read(path)
    assert sheet.shape == (STRIP, 900, 3)
    strip = sheet[CAPTION : CAPTION + HEIGHT, :WIDTH].astype(int)
    coloured = (strip.max(axis=2) - strip.min(axis=2)) > 10
    masks = run_lengths.decode(BRIGHT, (HEIGHT, WIDTH)) | run_lengths.decode(DARK, (HEIGHT, WIDTH))
    assert coloured[masks].all()
    around = cv2.dilate(masks.astype(np.uint8), np.ones((5, 5), np.uint8)) == 1
    assert not coloured[~around].any()
    assert np.array_equal(strip[~around][:, 0], both_picture()[~around])
    colours = {tuple(strip[18, 28]), tuple(strip[38, 88])}
    assert len(colours) == 2, "each class has its own colour"


def test_the_truth_is_a_second_strip(archive: Path, store: Store, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(
        f"ImageId,ClassId,EncodedPixels\nboth.png,1,{BRIGHT}\nplain.png,2,{DARK}\n"
    )
    paths = draw(store, tmp_path, str(tmp_path / "train.csv"))
    assert {path.name for path in paths} == {"both.png", "bright.png", "plain.png"}
    for path in paths:
        assert read(path).shape == (2 * STRIP, 900, 3)
    plain = read(tmp_path / "drawn/plain.png").astype(int)
    found, true = plain[CAPTION:STRIP, :WIDTH], plain[STRIP + CAPTION :, :WIDTH]
    assert (found.max(axis=2) == found.min(axis=2)).all(), "the gate kept its masks back"
    assert (true.max(axis=2) - true.min(axis=2)).max() > 10


@pytest.mark.parametrize("count", [1, 2])
def test_only_so_many_are_drawn(archive: Path, store: Store, tmp_path: Path, count: int) -> None:
    assert len(draw(store, tmp_path, count=count)) == count


def test_the_classes_take_turns(archive: Path, store: Store, tmp_path: Path) -> None:
    rows: list[Row] = []
    images: list[Row] = []
    for number in range(5):
        key = f"many/{number}.png"
        save(bright_picture(), archive / key)
        longer = run_lengths.encode(np.eye(HEIGHT, WIDTH, dtype=bool))
        rows.append(prediction(key, class_id=2, run_lengths=longer, source=str(archive)))
        images.append(image(key, source=str(archive)))
    publish(store, {TableName.IMAGES: images, TableName.PREDICTIONS: rows}, origin(1))
    first_two = {path.stem for path in draw(store, tmp_path, count=2)}
    assert first_two & {"both", "bright"}, "class 1 is not crowded out by class 2"


def test_pictures_of_one_file_name_do_not_overwrite_each_other(
    archive: Path, store: Store, tmp_path: Path
) -> None:
    save(bright_picture(), archive / "line 2/bright.png")
    place = {"source": str(archive)}
    publish(
        store,
        {
            TableName.IMAGES: [image("line 2/bright.png", **place)],
            TableName.PREDICTIONS: [prediction("line 2/bright.png", run_lengths=BRIGHT, **place)],
        },
        origin(1),
    )
    paths = draw(store, tmp_path)
    assert sorted(path.name for path in paths) == ["both.png", "bright-2.png", "bright.png"]
    assert all(path.is_file() for path in paths)


def test_wide_pictures_are_not_cut(store: Store, tmp_path: Path) -> None:
    wide = np.full((16, 1600), 120, np.uint8)
    save(wide, tmp_path / "archive/wide.png")
    place = {"source": str(tmp_path / "archive")}
    publish(
        store,
        {
            TableName.IMAGES: [image("wide.png", width=1600, height=16, **place)],
            TableName.PREDICTIONS: [prediction("wide.png", class_id=9, **place)],
        },
    )
    finish(store)
    (path,) = draw(store, tmp_path)
    assert read(path).shape == (CAPTION + 16 + GAP, 1600, 3)


def test_nothing_found_is_nothing_to_draw(store: Store, tmp_path: Path) -> None:
    publish(store, {TableName.IMAGES: [image("a.png", verdict="gated")]})
    finish(store)
    with pytest.raises(TableError, match=f"no picture to draw at {store.uri}"):
        draw(store, tmp_path)
    assert not (tmp_path / "drawn").exists()


def test_a_picture_that_is_gone_or_damaged_is_an_error(
    archive: Path, store: Store, tmp_path: Path
) -> None:
    (archive / "both.png").write_bytes(b"damaged")
    with pytest.raises(DecodeError):
        draw(store, tmp_path)
    (archive / "both.png").unlink()
    with pytest.raises(StoreError, match=r"both\.png"):
        draw(store, tmp_path)


def test_the_command_draws(
    archive: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "drawn by the command"
    assert main(["overlays", str(folder), "--output", store.uri, "--count", "1"]) == 0
    assert capsys.readouterr().out == f"1 pictures in {folder}\n"
    assert len(list(folder.iterdir())) == 1


def test_drawings_of_an_earlier_call_are_replaced(
    archive: Path, store: Store, tmp_path: Path
) -> None:
    before = draw(store, tmp_path)
    (tmp_path / "drawn/.DS_Store").write_bytes(b"a desktop's own file")
    after = draw(store, tmp_path, count=1)
    assert len(before) == 2
    assert len(after) == 1
    shown = [path for path in (tmp_path / "drawn").iterdir() if path.name != ".DS_Store"]
    assert shown == after, "a drawing of the earlier call that was not made again is deleted"


@pytest.mark.parametrize("name", ["both.png", "other.png", "notes.txt", "folder/x.png"])
def test_what_this_command_did_not_draw_is_kept(
    archive: Path, store: Store, tmp_path: Path, name: str
) -> None:
    others = tmp_path / "drawn" / name
    others.parent.mkdir(parents=True)
    others.write_bytes(save(plain_picture(), tmp_path / "somebody's.png").read_bytes())
    before = sorted(path for path in (tmp_path / "drawn").rglob("*"))
    content = others.read_bytes()
    with pytest.raises(AlreadyExistsError, match="which this command did not draw"):
        draw(store, tmp_path)
    assert sorted(path for path in (tmp_path / "drawn").rglob("*")) == before
    assert others.read_bytes() == content


def test_the_archive_itself_is_never_drawn_over(
    archive: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in archive.rglob("*.png")}
    assert main(["overlays", str(archive), "--output", store.uri]) == AlreadyExistsError.exit_code
    assert "name a new folder, or empty this one" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in archive.rglob("*.png")} == before


def test_a_drawing_says_what_made_it(archive: Path, store: Store, tmp_path: Path) -> None:
    (path, _) = draw(store, tmp_path)
    with Image.open(path) as drawing:
        assert drawing.info["Software"] == "steeldefect overlays"


def test_awkward_keys_make_plain_file_names(archive: Path, store: Store, tmp_path: Path) -> None:
    keys = ["new\nline\x1b[2J.png", "x" * 240 + ".png", "é 日.png", "a:b?c*.png"]
    place = {"source": str(archive)}
    for key in keys:
        save(bright_picture(), archive / key)
    publish(
        store,
        {
            TableName.IMAGES: [image(key, **place) for key in keys],
            TableName.PREDICTIONS: [prediction(key, run_lengths=BRIGHT, **place) for key in keys],
        },
        origin(1),
    )
    names = {path.name for path in draw(store, tmp_path, count=10)}
    assert all(name.isprintable() for name in names)
    assert {"new_line__2J.png", "x" * 200 + ".png", "é 日.png", "a_b_c_.png"} <= names
    assert len(names) == 6
