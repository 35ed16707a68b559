"""The drawing of one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.examples import origin
from support.reviewing import DENT, Night, found, region, square, thresholds
from support.samples import HEIGHT, WIDTH
from support.steel import steel

from steeldefect.errors import AlreadyExistsError, SettingsError, StoreError
from steeldefect.program.new_files import Existing
from steeldefect.review.history import PictureHistory
from steeldefect.review.history_text import history_text
from steeldefect.review.show import choose_history, draw, show
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.schema import TableName

OTHER = "c" * 64


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "archive")


def drawn(
    history: PictureHistory, path: Path, bundle: str | None = None
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Draw a picture, and return the sheet, red green blue."""
    draw(history, choose_history(history, bundle), ScoreSettings(), path, Existing.KEEP)
    with Image.open(path) as sheet:
        return np.asarray(sheet.convert("RGB"))


def coloured(sheet: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Count the pixels that are not gray."""
    values = sheet.astype(int)
    return int(((values.max(axis=2) - values.min(axis=2)) > 60).sum())


@pytest.fixture
def marked(store: Store, night: Night) -> Store:
    """A picture with two defects of two classes and a removed region; other bundles found less."""
    night.scored("a.png", 1, verdict="defect", defects=2, regions=2, rejected_regions=1)
    for number, one in ((1, 1), (2, DENT)):
        runs = square(20, left=20 * number)
        night.add(TableName.DEFECTS, region("a.png", number, runs, class_id=one))
        night.add(TableName.PREDICTIONS, found("a.png", runs, class_id=one))
    night.add(TableName.DEFECTS, region("a.png", 3, square(20, top=40, left=90), kept=False))
    night.end(store, origin(1))
    less = Night(night.archive)
    less.scored("a.png", 1)
    less.end(store, origin(0, OTHER))
    return store


def test_defects_are_drawn_and_numbered(marked: Store, tmp_path: Path) -> None:
    sheet = drawn(show(marked, "a.png"), tmp_path / "drawn.png")
    scale = 12  # 128 pixels become 1536
    assert sheet.shape[1] == scale * WIDTH + 24
    assert sheet.shape[0] > scale * HEIGHT
    body = sheet[-30 - 24 - scale * HEIGHT : -30 - 24, 12:-12]
    inside = steel(1, (HEIGHT, WIDTH)).repeat(scale, axis=0).repeat(scale, axis=1)
    gray = (body == inside[:, :, np.newaxis]).all(axis=2)
    assert gray[30:, 50 * scale : 85 * scale].mean() > 0.9, "steel without a defect is not covered"
    removed = gray[40 * scale : 60 * scale, 90 * scale : 110 * scale]
    assert removed[20:-20, 20:-20].mean() > 0.95, "removed regions are not tinted"
    assert not gray[6 * scale : 22 * scale, 42 * scale : 58 * scale].any(), "defects are tinted"
    tags = (body > 250).all(axis=2)
    assert tags.sum() > 3 * 150, "each region has a white tag"


def test_the_drawing_is_of_the_chosen_bundle(marked: Store, tmp_path: Path) -> None:
    history = show(marked, "a.png")
    newest = drawn(history, tmp_path / "newest.png")
    assert np.array_equal(newest, drawn(history, tmp_path / "same.png", "bbb"))
    other = drawn(history, tmp_path / "other.png", "c")
    assert coloured(other[120:]) == 0, "no mask, no number"
    assert coloured(newest[120:]) > 5_000
    with pytest.raises(SettingsError, match=r"a\.png was not scored by a bundle d; there is"):
        choose_history(history, "d")


def test_two_bundles_that_begin_alike(store: Store, night: Night) -> None:
    for number, bundle in enumerate(("ab" * 32, "ac" * 32)):
        later = Night(night.archive)
        later.scored("a.png", 1)
        later.end(store, origin(number, bundle))
    history = show(store, "a.png")
    with pytest.raises(SettingsError, match="2 bundles begin with a; give more digits"):
        choose_history(history, "a")
    assert choose_history(history, "ab").bundle == "ab" * 32


def test_a_picture_that_is_gone_can_be_shown_but_not_drawn(
    marked: Store, night: Night, tmp_path: Path
) -> None:
    (night.archive / "a.png").unlink()
    history = show(marked, "a.png")
    assert "2 defects" in history_text(history)
    with pytest.raises(StoreError, match=r"a\.png: No such file"):
        drawn(history, tmp_path / "drawn.png")
    assert not (tmp_path / "drawn.png").exists()


def test_a_picture_of_another_size_is_not_drawn(
    marked: Store, night: Night, tmp_path: Path
) -> None:
    night.keep("a.png", steel(1, (HEIGHT, 2 * WIDTH)))
    with pytest.raises(StoreError, match="it has 256 x 64 pixels, and had 128 x 64 when"):
        drawn(show(marked, "a.png"), tmp_path / "drawn.png")


def test_a_drawing_is_never_replaced_by_accident(marked: Store, tmp_path: Path) -> None:
    history = show(marked, "a.png")
    drawn(history, tmp_path / "drawn.png")
    with pytest.raises(AlreadyExistsError, match="exists; name another file"):
        drawn(history, tmp_path / "drawn.png")
    with Image.open(tmp_path / "drawn.png") as sheet:
        assert sheet.info["Software"] == "steeldefect overlays"


def test_gate_threshold_is_in_the_caption(marked: Store) -> None:
    (first, _) = show(marked, "a.png").bundles
    assert first.thresholds is not None
    assert first.thresholds.model_dump_json() == thresholds().replace(" ", "")


def test_masks_of_classes_are_drawn_where_no_regions_were_measured(
    store: Store, night: Night, tmp_path: Path
) -> None:
    night.with_region("a.png", 20, 1)
    night.rows[TableName.IMAGES][0] |= {"regions": None, "rejected_regions": None}
    del night.rows[TableName.DEFECTS]
    night.end(store, thresholds=None)
    sheet = drawn(show(store, "a.png"), tmp_path / "a.png")
    assert coloured(sheet[120:]) > 500
