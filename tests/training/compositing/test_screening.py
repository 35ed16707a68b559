"""Which unlabelled pictures count as clean steel."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.samples import bright_picture, plain_picture

from steeldefect.bundle.files import Bundle
from steeldefect.errors import DataError
from training.compositing import Order, make_pictures
from training.compositing.screening import contrast_of, limit_of, screen
from training.compositing.steel import steel_of
from training.compositing.textures import PictureTextures
from training.data.dataset import DataSet
from training.data.generated import read_source_digests
from training.synthetic import StripSettings, draw_strip


def strip(seed: int, clean_share: float = 1.0) -> np.ndarray:
    settings = StripSettings(height=64, width=400, clean_share=clean_share, edge_share=0.0)
    return draw_strip(np.random.default_rng(seed), settings).picture


def write(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture)
    return folder


def test_a_conspicuous_place_raises_the_contrast() -> None:
    picture = np.random.default_rng(0).normal(100, 5, (64, 400)).astype(np.uint8)
    marked = picture.copy()
    marked[20:44, 100:124] //= 2
    assert contrast_of(marked) > 1.5 * contrast_of(picture)


def test_black_beyond_the_strip_is_no_steel_and_no_contrast() -> None:
    picture = np.random.default_rng(0).normal(100, 5, (64, 400)).astype(np.uint8)
    ended = picture.copy()
    ended[:, 300:] = 3
    steel = steel_of(ended)
    assert not steel[:, 300:].any()
    assert steel[:, :290].all()
    assert steel_of(picture).all()
    assert contrast_of(ended) < 1.5 * contrast_of(picture)


def test_at_most_one_in_ten_defective_pictures_would_pass() -> None:
    defective = list(range(100, 150))
    limit = limit_of([1.0, 2.0], defective)
    assert sum(score < limit for score in defective) == 4


@pytest.mark.parametrize(
    ("clean", "defective", "expected"),
    [
        ([], [3.0], "no usable picture is clean"),
        ([3.0], [], "no usable picture is defective"),
        ([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], "AUC 0.67 on 6 labelled pictures"),
    ],
)
def test_contrast_that_tells_nothing_is_refused(
    clean: list[float], defective: list[float], expected: str
) -> None:
    with pytest.raises(DataError, match=rf"{expected}.*--bundle"):
        limit_of(clean, defective)


def test_what_labelled_pictures_show_is_never_a_texture(
    plant: Path, plant_data: DataSet, tmp_path: Path
) -> None:
    """A copy of a labelled picture may be held out: it is found under another name."""
    folder = write(tmp_path / "night", {"new.png": strip(77)})
    known = plant_data.pictures[0]
    shutil.copy(known.path, folder / "copy.jpg")
    found = screen([folder], plant_data.pictures, plant_data.pictures[1:], None)
    assert (found.seen, found.known) == (2, 1)
    assert [one.name for one in found.clean] in ([], ["night/new.png"])
    assert found.test.startswith("contrast below ")


def test_folders_of_the_same_name_are_told_apart(plant_data: DataSet, tmp_path: Path) -> None:
    flat = np.full((64, 400), 100, np.uint8)
    folders = [
        write(tmp_path / name / "images", {"a.png": flat + np.uint8(place)})
        for place, name in enumerate("xy")
    ]
    found = screen(folders, plant_data.pictures, plant_data.pictures, None)
    assert [one.name for one in found.clean] == ["images_1/a.png", "images_2/a.png"]


def test_calm_textures_become_steel_and_sources(plant: Path, tmp_path: Path) -> None:
    flat = {f"{level}.png": np.full((64, 400), level, np.uint8) for level in range(80, 120)}
    folder = write(tmp_path / "night", flat)
    made = make_pictures(tmp_path / "made", Order(pictures=12, like=plant, textures=(folder,)))
    used = {one.ground for one in made if one.ground.startswith("night/")}
    assert used
    assert len(read_source_digests(tmp_path / "made")) >= len(used)


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_pictures_is_refused(
    plant_data: DataSet, tmp_path: Path, name: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="--textures names a folder of pictures"):
        screen([tmp_path / name], plant_data.pictures, plant_data.pictures, None)


def test_textures_fill_pictures_of_other_sizes(plant_data: DataSet) -> None:
    textures = PictureTextures.of([one for one in plant_data.pictures if not one.defective])
    rng = np.random.default_rng(1)
    for shape in ((64, 400), (40, 200), (100, 500)):
        ground = textures.draw(rng, shape)
        assert ground.picture.shape == ground.steel.shape == shape
    assert textures.fitting((200, 400)) == []


def test_a_bundle_says_which_textures_are_clean(rule_bundle: Bundle, tmp_path: Path) -> None:
    """Its models find bright squares. Pictures of other sizes are not scored, and not used."""
    pictures = {
        "plain.png": plain_picture(1),
        "bright.png": bright_picture(2),
        "small.png": plain_picture(3)[:32],
    }
    folder = write(tmp_path / "night", pictures)
    found = screen([folder], [], [], rule_bundle.folder)
    assert [one.name for one in found.clean] == ["night/plain.png"]
    assert found.test == f"bundle {rule_bundle.digest[:12]} finds nothing"
