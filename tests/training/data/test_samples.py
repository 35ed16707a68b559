"""Truth maps, augmentation and batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import InputSpec, Scaling, prepare
from training.data.augmentation import augment
from training.data.batches import Plan, batches_of_epoch, fixed_batches, training_batches
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.data.pasting import paste
from training.data.samples import (
    Sample,
    Samples,
    Taught,
    gate_samples,
    place_samples,
    segmenter_samples,
    truth_maps,
)
from training.recipe import Augment, Crop

SPEC = InputSpec(height=16, width=32, channels=1, scaling=Scaling.STANDARD)


def masked(mask: np.ndarray, class_id: int = 1) -> LabelledPicture:
    runs = {class_id: run_lengths.from_mask(mask)}
    return LabelledPicture("a", Path("a"), mask.shape, True, runs, "a")


def test_truth_has_all_classes_of_a_picture_at_once() -> None:
    mask = np.zeros((32, 64), dtype=bool)
    mask[8:16, 0:32] = True
    picture = masked(mask, 5)
    picture = replace(picture, runs={**picture.runs, 2: run_lengths.from_mask(~mask)})
    maps = truth_maps(picture, SPEC, [2, 3, 5], coverage=0.5)
    expected = np.zeros((16, 32), dtype=np.uint8)
    expected[4:8, 0:16] = 1
    assert (maps[:, :, 2] == expected).all()
    assert (maps[:, :, 0] == 1 - expected).all()
    assert not maps[:, :, 1].any()


def test_areas_are_right_on_average() -> None:
    mask = np.zeros((256, 1600), dtype=np.uint8)
    cv2.ellipse(mask, (700, 130), (150, 60), 20, 0, 360, 1, -1)
    spec = SPEC.model_copy(update={"height": 64, "width": 64})
    share = truth_maps(masked(mask.astype(bool)), spec, [1], 0.5).mean()
    assert share == pytest.approx(mask.mean(), rel=0.05)


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_hairlines_survive_whole(width: int) -> None:
    mask = np.zeros((256, 1600), dtype=bool)
    mask[20:200, 801 : 801 + width] = True
    spec = SPEC.model_copy(update={"height": 256, "width": 256})
    maps = truth_maps(masked(mask), spec, [1], 0.5)
    assert (maps[20:200, :, 0].sum(axis=1) >= 1).all()
    assert not maps[:20].any()
    assert not maps[200:].any()


def test_flips_move_picture_and_truth_together() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (16, 32), dtype=np.uint8)
    sample = Sample(picture, (picture > 100).astype(np.uint8)[:, :, np.newaxis])
    seen = set()
    for _ in range(40):
        changed = augment(sample, Augment(flip_horizontal=True, flip_vertical=True), rng)
        assert ((changed.picture > 100) == changed.truth[:, :, 0]).all()
        seen.add(changed.picture.tobytes())
    assert len(seen) == 4


def test_brightness_stays_in_range_and_labels_stay() -> None:
    sample = Sample(np.full((4, 4), 250, np.uint8), np.array([1], np.uint8))
    rng = np.random.default_rng(0)
    values = {int(augment(sample, Augment(brightness=0.3), rng).picture[0, 0]) for _ in range(50)}
    assert min(values) >= 175
    assert max(values) == 255
    assert len(values) > 10


def test_no_augmentation_changes_nothing() -> None:
    sample = Sample(np.arange(16, dtype=np.uint8).reshape(4, 4), np.array([1], np.uint8))
    changed = augment(sample, Augment(), np.random.default_rng(0))
    assert (changed.picture == sample.picture).all()


EVERYTHING = Augment(
    flip_horizontal=True,
    flip_vertical=True,
    quarter_turns=True,
    brightness=0.2,
    gamma=0.3,
    zoom=0.3,
    noise=5,
    black_margin=0.5,
    crop=Crop(height=32, width=32),
)


def disc(classes: int) -> Sample:
    """Return a bright disc on a dark background; the truth has class 0 alone."""
    picture = np.full((64, 64), 50, np.uint8)
    cv2.circle(picture, (40, 24), 10, 200, -1)
    truth = np.zeros((64, 64, classes), np.uint8)
    truth[:, :, 0] = picture > 100
    return Sample(picture, truth)


@pytest.mark.parametrize("classes", [1, 3])
def test_truth_follows_the_picture_through_all_changes(classes: int) -> None:
    rng = np.random.default_rng(1)
    sample = disc(classes)
    for _ in range(60):
        changed = augment(sample, EVERYTHING, rng)
        assert changed.picture.shape == (32, 32)
        assert changed.truth.shape == (32, 32, classes)
        bright = changed.picture > 125
        differing = (bright != changed.truth[:, :, 0].astype(bool)).mean()
        assert differing < 0.04, "only pixels on the outline may differ"
        assert not changed.truth[:, :, 1:].any()


def test_quarter_turns_of_a_picture_that_is_not_square_keep_its_shape() -> None:
    """Whole pictures follow on square windows (`whole_share`), and batches need one shape."""
    sample = disc(1).changed(lambda pixels: pixels[:, :48])
    settings = Augment(quarter_turns=True, crop=Crop(height=32, width=32, whole_share=0.5))
    rng = np.random.default_rng(5)
    pictures = [augment(sample, settings.of_whole_pictures(), rng).picture for _ in range(40)]
    assert {picture.tobytes() for picture in pictures} == {
        sample.picture.tobytes(),
        np.rot90(sample.picture, 2).tobytes(),
    }
    assert {picture.shape for picture in pictures} == {(64, 48)}


def test_a_teachers_maps_follow_the_picture_as_the_truth_does() -> None:
    rng = np.random.default_rng(1)
    sample = disc(3)
    sample = replace(sample, soft=(sample.truth * 200).astype(np.uint8))
    for _ in range(20):
        changed = augment(paste(sample, sample, rng), EVERYTHING, rng)
        assert changed.soft is not None
        assert ((changed.soft > 0) == (changed.truth > 0)).all()
        assert set(np.unique(changed.soft)) <= {0, 200, 255}, "what is pasted is certain"
        expected = changed.soft.astype(np.float32) / 255
        np.testing.assert_array_equal(changed.target, expected)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_what_a_model_shall_answer_is_between_masks_and_teacher(
    dataset: DataSet, share: float
) -> None:
    def soft(picture: LabelledPicture) -> np.ndarray:
        return np.full((SPEC.height, SPEC.width, 2), 102, np.uint8)  # 0.4

    taught = Taught(soft, share)
    samples = segmenter_samples(dataset.pictures, SPEC, (1, 2), 0.5, 2**30, taught)
    for number in range(len(samples)):
        expected = share * 0.4 + (1 - share) * samples[number].truth
        np.testing.assert_allclose(samples[number].target, expected, atol=1 / 255)
        assert set(np.unique(samples[number].truth)) <= {0, 1}, "crops follow the masks alone"
    batches = list(fixed_batches(samples, SPEC, 100))
    targets = np.stack([samples[number].target for number in range(len(samples))])
    np.testing.assert_array_equal(batches[0][1].numpy(), targets)


def test_a_pasted_defect_brings_its_truth_and_keeps_its_contrast() -> None:
    rng = np.random.default_rng(4)
    ground = Sample(np.full((64, 64), 120, np.uint8), np.zeros((64, 64, 3), np.uint8))
    donor = disc(3)  # 150 gray levels brighter than what is around it
    tops = set()
    for _ in range(20):
        pasted = paste(ground, donor, rng)
        inside = pasted.truth[:, :, 0].astype(bool)
        assert int(inside.sum()) == int(donor.truth.sum())
        assert not pasted.truth[:, :, 1:].any()
        assert pasted.picture[inside].min() > 220, "as much brighter than its new ground"
        distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        assert (pasted.picture[distance > 12] == 120).all(), "far from it nothing changes"
        tops.add(int(np.flatnonzero(inside.any(axis=1))[0]))
    assert len(tops) > 5
    assert not ground.truth.any(), "the cached sample is not touched"


def test_what_is_pasted_over_is_no_longer_true() -> None:
    below = np.zeros((64, 64, 3), np.uint8)
    below[:, :, 2] = 1
    ground = Sample(np.full((64, 64), 120, np.uint8), below)
    pasted = paste(ground, disc(3), np.random.default_rng(0))
    assert (pasted.truth.sum(axis=2) == 1).all()


def test_nothing_is_pasted_from_a_clean_picture() -> None:
    ground = disc(1)
    clean = Sample(ground.picture, np.zeros_like(ground.truth))
    assert paste(ground, clean, np.random.default_rng(0)) is ground


def test_donors_appear_on_other_pictures(dataset: DataSet) -> None:
    clean = [number for number, one in enumerate(dataset.pictures) if not one.runs]
    donor = next(number for number, one in enumerate(dataset.pictures) if one.runs)
    chosen = [dataset.pictures[number] for number in (*clean, donor)]
    samples = segmenter_samples(chosen, SPEC, [1, 2], 0.5, 2**30)
    planned = replace(plan(size=64, paste=1.0), donors=(len(clean),))
    _, truth = next(iter(training_batches(samples, SPEC, planned)))
    assert truth.numpy().any(axis=(1, 2, 3)).all()


def test_the_same_seed_changes_alike() -> None:
    one, other = (augment(disc(1), EVERYTHING, np.random.default_rng(3)) for _ in range(2))
    assert (one.picture == other.picture).all()
    assert (one.truth == other.truth).all()


def test_a_black_margin_hides_defects() -> None:
    sample = Sample(np.full((8, 100), 200, np.uint8), np.ones((8, 100, 1), np.uint8))
    rng = np.random.default_rng(0)
    widths = []
    for _ in range(50):
        changed = augment(sample, Augment(black_margin=1.0), rng)
        assert ((changed.picture < 100) == (changed.truth[:, :, 0] == 0)).all()
        widths.append(int((changed.picture[0] < 100).sum()))
    assert max(widths) <= 30
    assert max(widths) > 20
    assert sample.truth.all(), "the cached sample is not touched"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_crops_favour_defects_as_often_as_stated(share: float) -> None:
    picture = np.zeros((64, 640), np.uint8)
    truth = np.zeros((64, 640, 1), np.uint8)
    truth[30:34, 600:604] = 1
    settings = Augment(crop=Crop(height=64, width=64, defect_share=share))
    rng = np.random.default_rng(0)
    sample = Sample(picture, truth)
    shown = [augment(sample, settings, rng).truth.any() for _ in range(60)]
    assert np.mean(shown) == 1.0 if share else np.mean(shown) < 0.3


@pytest.fixture(scope="module")
def dataset(learnable: Path) -> DataSet:
    return read_dataset(learnable)


@pytest.fixture(scope="module", params=[0, 2**30], ids=["decoded each time", "from memory"])
def samples(request: pytest.FixtureRequest, dataset: DataSet) -> Samples:
    return segmenter_samples(dataset.pictures, SPEC, [1, 2], 0.5, request.param)


def plan(
    seed: int = 1, epochs: tuple[int, int] = (0, 1), size: int = 16, **changes: object
) -> Plan:
    return Plan(size, Augment.model_validate(changes), seed, epochs)


def test_batches_hold_every_picture_and_the_last_may_be_smaller(samples: Samples) -> None:
    sizes = [len(inputs) for inputs, _ in fixed_batches(samples, SPEC, 16)]
    assert sizes == [16, 16, 8]
    shuffled = training_batches(samples, SPEC, plan(epochs=(0, 2)))
    assert [len(inputs) for inputs, _ in shuffled] == sizes * 2
    assert batches_of_epoch(40, 16) == 3


def test_inputs_are_those_of_scoring(samples: Samples, dataset: DataSet) -> None:
    inputs, truth = next(iter(fixed_batches(samples, SPEC, 4)))
    expected = np.stack([prepare(one.read(), SPEC) for one in dataset.pictures[:4]])
    assert (inputs.numpy() == expected).all()
    assert inputs.dtype == truth.dtype == np.float32
    assert truth.shape == (4, 16, 32, 2)


def test_epochs_differ_and_repeat_with_their_seed(samples: Samples) -> None:
    def epoch(number: int, seed: int = 7) -> np.ndarray:
        planned = plan(seed, (number, number + 1), 8, flip_horizontal=True)
        return _epoch(training_batches(samples, SPEC, planned))

    assert not (epoch(0) == epoch(1)).all()
    assert not (epoch(0) == epoch(0, seed=8)).all()
    both = _epoch(training_batches(samples, SPEC, plan(7, (0, 2), 8, flip_horizontal=True)))
    assert (both == np.concatenate([epoch(0), epoch(1)])).all()


def test_weights_say_how_often_a_picture_is_drawn(dataset: DataSet) -> None:
    samples = gate_samples(dataset.pictures, SPEC, 2**30)
    weights = np.array([3.0 if one.defective else 1.0 for one in dataset.pictures])
    planned = replace(plan(epochs=(0, 60)), weights=weights)
    drawn = np.concatenate([truth for _, truth in training_batches(samples, SPEC, planned)])
    assert len(drawn) == 60 * len(samples)
    defective = np.array([one.defective for one in dataset.pictures])
    expected = (weights * defective).sum() / weights.sum()
    assert drawn.mean() == pytest.approx(expected, abs=0.04)


def test_crops_are_what_a_model_of_any_size_sees(dataset: DataSet) -> None:
    spec = SPEC.model_copy(update={"height": 64, "width": 96})
    samples = segmenter_samples(dataset.pictures, spec, [1, 2], 0.5, 2**30)
    crop = {"height": 32, "width": 32, "defect_share": 1.0}
    inputs, truth = next(iter(training_batches(samples, spec, plan(size=40, crop=crop))))
    assert inputs.shape == (40, 32, 32, 1)
    assert truth.shape == (40, 32, 32, 2)
    shown = truth.numpy().any(axis=(1, 2, 3)).mean()
    assert shown == pytest.approx(np.mean([bool(one.runs) for one in dataset.pictures]))


def test_gate_samples_carry_the_label(dataset: DataSet) -> None:
    spec = SPEC.model_copy(update={"channels": 3, "scaling": Scaling.UNIT})
    inputs, truth = next(iter(fixed_batches(gate_samples(dataset.pictures, spec, 0), spec, 40)))
    assert inputs.shape == (40, 16, 32, 3)
    assert truth.shape == (40, 1)
    assert truth.numpy().ravel().tolist() == [one.defective for one in dataset.pictures]


def _epoch(batches: object) -> np.ndarray:
    return np.concatenate([inputs for inputs, _ in batches])  # type: ignore[attr-defined]


def test_a_gate_taught_by_places_sees_one_map_of_any_class(small_folder: Any) -> None:
    pictures = read_dataset(small_folder.path).pictures
    spec = SPEC.model_copy(update={"height": 32, "width": 64})
    places = place_samples(pictures, spec, 0.5, cache_bytes=2**20)
    maps = segmenter_samples(pictures, spec, (1, 2), 0.5, cache_bytes=2**20)
    for number in range(len(pictures)):
        assert places[number].truth.shape == (32, 64, 1)
        assert (places[number].truth[:, :, 0] == maps[number].truth.any(axis=2)).all()
    assert not places[2].truth.any(), "a clean picture has an empty map"
