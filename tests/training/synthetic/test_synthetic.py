"""Test the drawn data set: it is reproducible, its masks are exact, and it is not too easy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeldefect.errors import SettingsError
from steeldefect.pictures import run_lengths
from training.synthetic import (
    CLASS_NAMES,
    CoilSettings,
    Strip,
    StripSettings,
    draw_strip,
    generate,
)
from training.synthetic.noise import grow

SMALL = StripSettings(height=64, width=400)
DEFECTIVE = StripSettings(height=64, width=400, clean_share=0.0)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def strips(settings: StripSettings, count: int) -> list[Strip]:
    return [draw_strip(np.random.default_rng([3, i]), settings) for i in range(count)]


def levels(strip: Strip, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return strip.picture[chosen].astype(np.float64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strips")
    generate(folder, pictures=24, seed=11, settings=SMALL)
    return folder


def test_same_call_writes_same_bytes(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path, pictures=24, seed=11, settings=SMALL)
    assert contents(tmp_path) == contents(folder)


def test_writing_a_second_time_changes_nothing(tmp_path: Path) -> None:
    generate(tmp_path, pictures=3, seed=1, settings=SMALL)
    before = contents(tmp_path)
    generate(tmp_path, pictures=3, seed=1, settings=SMALL)
    assert contents(tmp_path) == before


def test_picture_depends_on_seed_and_number_alone(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path, pictures=2, seed=11, settings=SMALL, first=20)
    for name in ("images/strip_000020.jpg", "images/strip_000021.jpg"):
        assert contents(tmp_path)[name] == contents(folder)[name]


def test_another_seed_draws_other_pictures(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path, pictures=1, seed=12, settings=SMALL)
    name = "images/strip_000000.jpg"
    assert contents(tmp_path)[name] != contents(folder)[name]


def test_pictures_are_gray_jpegs_of_the_stated_size(folder: Path) -> None:
    paths = sorted((folder / "images").iterdir())
    assert [path.name for path in paths] == [f"strip_{i:06d}.jpg" for i in range(24)]
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert picture.shape == (64, 400)
        assert picture.dtype == np.uint8


def test_run_lengths_decode_to_the_drawn_masks(folder: Path) -> None:
    for row in read_rows(folder / "train.csv"):
        number = int(row["ImageId"].removeprefix("strip_").removesuffix(".jpg"))
        strip = draw_strip(np.random.default_rng([11, number]), SMALL)
        mask = run_lengths.decode(row["EncodedPixels"], (64, 400))
        np.testing.assert_array_equal(mask, strip.masks[:, :, int(row["ClassId"]) - 1])


def test_labels_agree_with_the_masks_listed(folder: Path) -> None:
    labels = {row["ImageId"]: row["label"] for row in read_rows(folder / "labels.csv")}
    rows = read_rows(folder / "train.csv")
    assert list(labels) == [f"strip_{i:06d}.jpg" for i in range(24)]
    assert {name for name, label in labels.items() if label == "1"} == {r["ImageId"] for r in rows}
    assert set(labels.values()) == {"0", "1"}
    pairs = [(row["ImageId"], row["ClassId"]) for row in rows]
    assert len(pairs) == len(set(pairs))


def test_classes_are_named(folder: Path) -> None:
    names = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
    assert names == {str(number): name for number, name in CLASS_NAMES.items()}
    assert list(names) == ["1", "2", "3", "4"]


def test_shares_are_about_what_the_settings_say() -> None:
    drawn = [strip.masks.any(axis=(0, 1)) for strip in strips(SMALL, 200)]
    classes = np.array(drawn)
    found = classes.sum(axis=1)
    assert 0.33 < np.mean(found == 0) < 0.57
    assert 0.04 < np.mean(found[found > 0] > 1) < 0.30
    assert classes.any(axis=0).all()


@pytest.mark.parametrize(("clean_share", "expected"), [(0.0, True), (1.0, False)])
def test_extreme_shares_are_exact(clean_share: float, expected: bool) -> None:
    settings = StripSettings(height=64, width=400, clean_share=clean_share)
    assert {bool(strip.masks.any()) for strip in strips(settings, 20)} == {expected}


def test_every_chosen_class_finds_room() -> None:
    # The narrowest picture allowed, with most of it beyond the edge, and classes in every mixture.
    settings = StripSettings(64, 256, clean_share=0.0, mixed_share=1.0, edge_share=1.0)
    for strip in strips(settings, 60):
        assert strip.masks.any(axis=(0, 1)).sum() >= 2


def test_masks_lie_on_the_strip_and_apart() -> None:
    settings = StripSettings(height=64, width=400, clean_share=0.0, edge_share=1.0)
    for strip in strips(settings, 40):
        assert strip.masks.shape == (64, 400, 4)
        assert not strip.on_strip.all()
        assert not strip.masks[~strip.on_strip].any()
        assert strip.masks.sum(axis=2).max() == 1
        assert levels(strip, ~grow(strip.on_strip, 3)).mean() < 15


def test_defects_are_visible_beside_their_masks() -> None:
    # Truth without a trace in the picture would teach nothing: within a mask gray levels differ
    # from those in a band around it, in mean or in spread.
    seen = []
    for strip in strips(StripSettings(clean_share=0.0), 12):
        mask = np.asarray(strip.masks.any(axis=2), dtype=bool)
        around = grow(mask, 12)
        inside, outside = levels(strip, mask), levels(strip, around & ~mask & strip.on_strip)
        shift = abs(inside.mean() - outside.mean()) / outside.std()
        seen.append(max(shift, inside.std() / outside.std() - 1.0))
    assert np.median(seen) > 0.5
    assert min(seen) > 0.05


def test_areas_are_those_of_real_defects() -> None:
    strips_drawn = strips(StripSettings(clean_share=0.0), 25)
    areas = np.concatenate([strip.masks.sum(axis=(0, 1)) for strip in strips_drawn])
    present = areas[areas > 0]
    assert present.min() >= 400
    assert present.max() <= 80_000


def test_defects_have_no_favourite_place() -> None:
    columns = [
        np.flatnonzero(strip.masks.any(axis=(0, 2))).mean() for strip in strips(DEFECTIVE, 80)
    ]
    counts, _ = np.histogram(columns, bins=4, range=(0, 400))
    assert counts.min() >= 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 32}, "height"),
        ({"width": 1000}, "width"),
        ({"jpeg_quality": 0}, "jpeg_quality"),
        ({"clean_share": 1.5}, "clean_share"),
        ({"mixed_share": -0.1}, "mixed_share"),
        ({"edge_share": float("nan")}, "edge_share"),
        ({"class_shares": (1.0, 1.0, 1.0, 0.0)}, "class_shares"),
        ({"class_shares": (1.0, 1.0)}, "class_shares"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        StripSettings(**changes)  # type: ignore[arg-type]


def test_all_bad_settings_are_listed_at_once() -> None:
    with pytest.raises(SettingsError, match=r"clean_share.*height.*jpeg_quality"):
        StripSettings(height=1, clean_share=2.0, jpeg_quality=101)


@pytest.mark.parametrize("changes", [{"pictures": 0}, {"seed": -1}, {"first": -1}])
def test_bad_numbers_are_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=next(iter(changes))):
        generate(tmp_path / "new", **{"pictures": 1, "seed": 1, **changes})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_folder_with_other_pictures_is_refused(tmp_path: Path) -> None:
    generate(tmp_path, pictures=3, seed=1, settings=SMALL)
    with pytest.raises(SettingsError, match="another set"):
        generate(tmp_path, pictures=2, seed=1, settings=SMALL)


def test_pictures_of_coils_state_coil_and_frame(tmp_path: Path) -> None:
    small = StripSettings(height=64, width=256)
    generate(tmp_path / "coils", pictures=5, seed=1, settings=small, coils=CoilSettings(frames=3))
    generate(tmp_path / "plain", pictures=5, seed=1, settings=small)
    names = [
        *(f"coil_001-frame_000{frame}.jpg" for frame in range(3)),
        *(f"coil_002-frame_000{frame}.jpg" for frame in range(2)),
    ]
    coils = sorted((tmp_path / "coils" / "images").iterdir())
    plain = sorted((tmp_path / "plain" / "images").iterdir())
    assert [path.name for path in coils] == names
    assert [path.read_bytes() for path in coils] == [path.read_bytes() for path in plain]
    labelled = (tmp_path / "coils" / "labels.csv").read_text().splitlines()[1:]
    assert [line.partition(",")[0] for line in labelled] == names
