"""Extra pictures join the train part alone, and show nothing that is held out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeldefect.errors import DataError
from steeldefect.pictures.fingerprints import digest_of
from training.data.dataset import DataSet, read_dataset
from training.data.generated import read_source_digests, write_record
from training.data.pseudo_record import next_round
from training.fitting.gate_and_segmenter import Job, drawing_of
from training.recipe import Data, ExtraPictures, Recipe, Split
from training.splitting.extra import NO_EXTRA, read_extra
from training.splitting.split import Parts, split_pictures


@pytest.fixture(scope="module")
def dataset(learnable: Path) -> DataSet:
    return read_dataset(learnable)


@pytest.fixture(scope="module")
def parts(dataset: DataSet) -> Parts:
    return split_pictures(dataset.pictures, Split(validation=0.25, test=0.25), seed=0)


@pytest.fixture
def extra_folder(extra_pictures: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder of extra pictures, which a test may change."""
    return Path(shutil.copytree(extra_pictures, tmp_path / "extra"))


def settings(folder: Path, weight: float = 1.0) -> tuple[ExtraPictures, ...]:
    return (ExtraPictures(folder=str(folder), weight=weight),)


def test_names_weights_fingerprint_and_note(
    extra_folder: Path, dataset: DataSet, parts: Parts
) -> None:
    extra = read_extra(settings(extra_folder, 0.5), dataset, parts)
    names = [f"{extra_folder}/{name}.png" for name in "wxyz"]
    assert [one.name for one in extra.pictures] == names
    assert extra.weights == dict.fromkeys(names, 0.5)
    fingerprint = read_dataset(extra_folder).fingerprint
    assert extra.fingerprints == {str(extra_folder): fingerprint}
    assert extra.notes[0].startswith(f"4 extra pictures of {extra_folder} in the train part")
    assert fingerprint[:12] in extra.notes[0]
    assert extra.weight_of(parts.train[0]) == 1
    assert not extra.holds(parts.train[0])


def test_without_folders_nothing_is_read(dataset: DataSet, parts: Parts) -> None:
    assert read_extra((), dataset, parts) is NO_EXTRA


def test_extra_pictures_are_drawn_by_their_weight_and_donate_nothing(
    extra_folder: Path, dataset: DataSet, parts: Parts
) -> None:
    extra = read_extra(settings(extra_folder, 0.25), dataset, parts)
    recipe = Recipe.model_validate(_tiny())
    job = Job(recipe, parts, (1, 2), extra_folder, extra=extra)
    assert job.train == (*parts.train, *extra.pictures)
    drawing = drawing_of(job.train, 0.5, extra)
    own = len(parts.train)
    assert drawing.even is not None
    assert drawing.even.tolist() == [1.0] * own + [0.25] * 4
    assert set(drawing.donors) == {n for n, one in enumerate(parts.train) if one.runs}
    shown = [next(iter(one.runs), 0) for one in job.train]
    for kind, share in ((0, 0.5), (1, 0.25), (2, 0.25)):
        members = [number for number, one in enumerate(shown) if one == kind]
        assert drawing.by_class[members].sum() == pytest.approx(share)
        weights = drawing.by_class[members]
        assert weights[-1] == pytest.approx(weights[0] / 4), "the last one is an extra picture"


def test_extra_pictures_of_weight_one_are_drawn_once_an_epoch(
    extra_folder: Path, dataset: DataSet, parts: Parts
) -> None:
    extra = read_extra(settings(extra_folder), dataset, parts)
    assert drawing_of((*parts.train, *extra.pictures), 0.5, extra).even is None


def test_weights_of_single_pictures_multiply_that_of_the_folder(
    extra_folder: Path, dataset: DataSet, parts: Parts
) -> None:
    before = read_dataset(extra_folder).fingerprint
    weights(extra_folder, "w.png,0.5", "x,0.25")
    extra = read_extra(settings(extra_folder, 0.5), dataset, parts)
    own = dict(zip("wxyz", [0.5, 0.25, 1, 1], strict=True))
    expected = {f"{extra_folder}/{name}.png": 0.5 * one for name, one in own.items()}
    assert extra.weights == expected
    assert "weight 0.5 times their own (mean 0.69)" in extra.notes[0]
    drawing = drawing_of((*parts.train, *extra.pictures), 0.5, extra)
    assert drawing.even is not None
    assert drawing.even[-4:].tolist() == list(expected.values())
    assert read_dataset(extra_folder).fingerprint != before, "a fit with other weights is another"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["w.png,0"], "above 0 and at most 1; received w.png: '0' .line 2"),
        (["w.png,1.5"], "above 0 and at most 1"),
        (["w.png,nan"], "above 0 and at most 1"),
        (["w.png,much"], "above 0 and at most 1"),
        (["w.png,"], "above 0 and at most 1"),
        (["q.png,0.5"], r"weights.csv names pictures that are not in images/: q.png .line 2"),
        (["w.png,0.5", "w.png,0.6"], "contradict each other"),
    ],
)
def test_weights_that_are_no_share_or_name_no_picture_are_refused(
    extra_folder: Path, dataset: DataSet, parts: Parts, rows: list[str], problem: str
) -> None:
    weights(extra_folder, *rows)
    with pytest.raises(DataError, match=problem):
        read_extra(settings(extra_folder), dataset, parts)


def weights(folder: Path, *rows: str) -> None:
    text = "\n".join(["ImageId,weight", *rows, ""])
    (folder / "weights.csv").write_text(text, encoding="utf-8")


def test_the_round_of_pseudo_labels_is_noted(
    extra_folder: Path, dataset: DataSet, parts: Parts
) -> None:
    for content, note in (('{"round": 2}', "round 2"), ('{"round": null}', "round unknown")):
        (extra_folder / "pseudo.json").write_text(content, encoding="utf-8")
        extra = read_extra(settings(extra_folder), dataset, parts)
        assert extra.notes[1] == f"pseudo-labels of {note} in {extra_folder}"
    assert next_round(extra.notes) == 2
    assert next_round(["pseudo-labels of round 3 in a", *extra.notes]) == 4
    assert next_round(["400 extra pictures of made in the train part"]) == 1


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"round": 0}', '{"round": "two"}'])
def test_a_damaged_record_of_pseudo_labels_is_refused(
    extra_folder: Path, dataset: DataSet, parts: Parts, content: str
) -> None:
    (extra_folder / "pseudo.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"pseudo\.json is damaged; make the folder again"):
        read_extra(settings(extra_folder), dataset, parts)


def copied(folder: Path, source: Path, name: str) -> None:
    """Replace one extra picture by a picture of the data set, under the extra one's name."""
    shutil.copy(source, folder / "images" / name)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_copy_of_a_held_out_picture_is_refused(
    extra_folder: Path, dataset: DataSet, parts: Parts, part: str
) -> None:
    held = parts.named()[part][0]
    copied(extra_folder, held.path, "z.png")
    with pytest.raises(DataError, match=rf"1 extra pictures show .*z\.png ~ {held.name}"):
        read_extra(settings(extra_folder), dataset, parts)


def test_a_copy_of_a_picture_of_the_train_part_is_welcome(
    extra_folder: Path, dataset: DataSet, parts: Parts
) -> None:
    copied(extra_folder, parts.train[0].path, "z.png")
    assert len(read_extra(settings(extra_folder), dataset, parts).pictures) == 4


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_pictures_made_from_held_out_ones_are_refused(
    extra_folder: Path, dataset: DataSet, parts: Parts, part: str
) -> None:
    """Pieces of a picture may be too small to be near-duplicates: the record names them."""
    source = parts.named()[part][0]
    write_record(extra_folder, {"seed": 0}, {digest_of(source.read()): "any name"})
    if part == "train":
        assert read_extra(settings(extra_folder), dataset, parts).pictures
        return
    with pytest.raises(DataError, match=rf"were made from held-out pictures: {source.name}"):
        read_extra(settings(extra_folder), dataset, parts)


@pytest.mark.parametrize("content", ["{", "[]", '{"sources": 3}', '{"seed": 1}'])
def test_a_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "generated.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="generate the folder again"):
        read_source_digests(tmp_path)


def test_classes_that_the_data_do_not_have_are_refused(
    folder: Any, dataset: DataSet, parts: Parts
) -> None:
    folder.picture("w.png", {2: folder.square(1, 2)})
    folder.masks = [(name, 3, runs) for name, _, runs in folder.masks]
    folder.masks_table()
    with pytest.raises(DataError, match=r"show classes 3, which .* does not name"):
        read_extra(settings(folder.path), dataset, parts)


def test_a_folder_is_listed_once_and_weights_are_above_0() -> None:
    twice = {"extra": [{"folder": "a"}, {"folder": "a", "weight": 2}]}
    with pytest.raises(ValueError, match="listed twice: a"):
        Data.model_validate(twice)
    for weight in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="weight"):
            ExtraPictures(folder="a", weight=weight)


def _tiny() -> dict[str, Any]:
    part = {
        "kind": "small",
        "input": {"height": 32, "width": 64, "channels": 1, "scaling": "standard"},
        "epochs": 1,
        "batch_size": 8,
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
    }
    return {
        "name": "tiny",
        "split": {"validation": 0.25, "test": 0.25},
        "gate": {**part, "kind": "none"},
        "segmenter": {**part, "loss": "bce_dice", "pictures": "all"},
        "calibrate": {"gate_recall": None, "objective": None, "temperature": False},
        "compile": {"int8_pictures": 0},
    }


def test_drawing_without_extra_pictures_is_as_before(parts: Parts) -> None:
    drawing = drawing_of(parts.train, 0.5)
    assert drawing.even is None
    assert drawing.by_class.sum() == pytest.approx(1)
    kinds = np.array([next(iter(one.runs), 0) for one in parts.train])
    for kind in (0, 1, 2):
        own = drawing.by_class[kinds == kind]
        assert own == pytest.approx([own[0]] * len(own))
