"""Test the drawn marks of rolls: they come again where the roll's circumference says."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steeldefect.detection.regions import MaskRegions
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.repeats.repeat import Kind
from steeldefect.repeats.rolls import find_rolls
from training.synthetic import CoilSettings, RollMark, StripSettings, draw_strip, generate
from training.synthetic.rolls import IMPRINT_CLASS, Roll, Stamp, draw_roll, stamps_of

HEIGHT, WIDTH, FRAMES = 256, 1600, 12
FRAME_MM, ROW_MM = 800.0, 0.6
CLEAN = StripSettings(clean_share=1.0, edge_share=0.0)


def coils_with(*marks: RollMark) -> CoilSettings:
    return CoilSettings(frames=FRAMES, cameras=2, roll_marks=marks)


def roll_of(seed: int, mark: RollMark) -> Roll:
    return draw_roll(seed, mark, coils_with(mark), HEIGHT, WIDTH)


def true_defects(folder: Path) -> pd.DataFrame:
    """Return the regions of the true masks, as the table `defects` has them."""
    rows = []
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            coil, camera, frame = line["ImageId"].removesuffix(".jpg").split("-")
            drawn = run_lengths.decode(line["EncodedPixels"], (HEIGHT, WIDTH))
            mask: Mask = np.asarray(drawn, dtype=bool)
            for region in MaskRegions(mask, mask.astype(np.float32)).measured():
                x, y = region.centroid
                rows.append(
                    {
                        "class_id": int(line["ClassId"]),
                        "class_name": line["ClassId"],
                        "coil": coil,
                        "camera": camera,
                        "side": None,
                        "along_mm": int(frame[-4:]) * FRAME_MM + x * FRAME_MM / WIDTH,
                        "across_mm": y * ROW_MM,
                        "centroid_x": x,
                        "centroid_y": y,
                    }
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("seed", [1, 7, 2026])
def test_the_search_for_repeats_finds_the_roll_in_the_true_masks(tmp_path: Path, seed: int) -> None:
    """The other coil, and the other camera, have defects but no roll."""
    coils = coils_with(RollMark(2, camera=1, diameter_mm=300.0))
    generate(tmp_path, pictures=4 * FRAMES, seed=seed, coils=coils)
    defects = true_defects(tmp_path)
    found = {coil: find_rolls(of_coil).rolls for coil, of_coil in defects.groupby("coil")}
    assert found["coil_001"] == ()
    (roll,) = found["coil_002"]
    assert (roll.kind, roll.subject.camera) == (Kind.ROLL, "camera_1")
    assert roll.subject.class_id == IMPRINT_CLASS
    assert roll.period_mm == pytest.approx(300.0 * math.pi, abs=5.0)
    assert len(roll.marks) >= 7


@pytest.mark.parametrize("diameter", [100.0, 300.0, 555.0])
def test_marks_lie_one_circumference_apart_in_one_lane(diameter: float) -> None:
    roll = roll_of(3, RollMark(1, diameter_mm=diameter))
    length = FRAMES * FRAME_MM
    assert len(roll.along_mm) == pytest.approx(length / (math.pi * diameter), abs=1.0)
    np.testing.assert_allclose(np.diff(roll.along_mm), math.pi * diameter, atol=17.0)
    assert 0.0 < np.std(np.diff(roll.along_mm)) < 10.0
    assert np.abs(roll.rows).max() < 8


def test_masks_lie_where_the_marks_do() -> None:
    """A mark that reaches from one frame to the next is on both."""
    mark = RollMark(1)
    roll, coils = roll_of(3, mark), coils_with(mark)
    frames = []
    for number in range(FRAMES):
        strip = draw_strip(
            np.random.default_rng([3, number]), CLEAN, stamps_of((roll,), coils, number, WIDTH)
        )
        frames.append(strip.masks[:, :, IMPRINT_CLASS - 1])
        assert not np.delete(strip.masks, IMPRINT_CLASS - 1, axis=2).any()
    drawn = np.concatenate(frames, axis=1)
    expected = np.zeros_like(drawn)
    for along, row in zip(roll.along_mm, roll.rows, strict=True):
        begin = round(along / 0.5 - roll.imprint.mask.shape[1] / 2)
        for y, x in np.argwhere(roll.imprint.mask):
            if 0 <= y + row < HEIGHT and 0 <= x + begin < drawn.shape[1]:
                expected[y + row, x + begin] = True
    np.testing.assert_array_equal(drawn, expected)


def test_a_mark_can_be_seen() -> None:
    """Pits are dark: the steel under the mask loses at least a tenth of its light."""
    for seed in range(10):
        imprint = roll_of(seed, RollMark(1)).imprint
        assert imprint.gain[imprint.mask].mean() < 0.9
        assert 300 < imprint.mask.sum() < 8_000


def test_other_pictures_keep_their_bytes(tmp_path: Path) -> None:
    """Only pictures of the roll's coil and camera that show a mark are others."""
    small = StripSettings(height=64, width=256)
    coils = CoilSettings(frames=3, cameras=2, pixel_mm=2.0, roll_marks=(RollMark(2, 2),))
    plain = CoilSettings(frames=3, cameras=2)
    for name, drawn in (("marked", coils), ("again", coils), ("plain", plain)):
        generate(tmp_path / name, pictures=18, seed=1, settings=small, coils=drawn)
    generate(tmp_path / "part", pictures=6, seed=1, settings=small, coils=coils, first=6)
    marked, again, unmarked, part = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "images").iterdir()}
        for name in ("marked", "again", "plain", "part")
    )
    assert marked == again
    assert part.items() <= marked.items()
    changed = {name for name in marked if marked[name] != unmarked[name]}
    assert changed
    assert {name[:17] for name in changed} == {"coil_002-camera_2"}


def test_nothing_is_printed_beyond_the_edge_of_the_strip() -> None:
    imprint = roll_of(1, RollMark(1)).imprint
    on_strip = np.zeros((HEIGHT, WIDTH), dtype=bool)
    on_strip[:, 800:] = True
    steel = np.full((HEIGHT, WIDTH), 100.0, dtype=np.float32)
    mask = Stamp(imprint, 0, 800 - imprint.mask.shape[1] // 2).press(steel, on_strip)
    assert 0 < mask.sum() < imprint.mask.sum()
    assert not mask[:, :800].any()


@pytest.mark.parametrize(("row", "column"), [(0, -500), (0, WIDTH + 5), (-400, 20), (400, 20)])
def test_a_mark_outside_the_picture_changes_nothing(row: int, column: int) -> None:
    steel = np.full((HEIGHT, WIDTH), 100.0, dtype=np.float32)
    stamp = Stamp(roll_of(1, RollMark(1)).imprint, row, column)
    assert not stamp.press(steel, np.ones((HEIGHT, WIDTH), dtype=bool)).any()
    assert (steel == 100.0).all()
