"""Truth maps, augmentation and batches."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from steeldefect import rle
from steeldefect.preprocessing import InputSpec, Scaling, prepare
from training.augmentation import augment
from training.dataset import DataSet, LabelledPicture, read_dataset
from training.pipeline import fixed_batches, training_batches
from training.recipe import Augment
from training.samples import Sample, Samples, gate_samples, segmenter_samples, truth_maps

SPEC = InputSpec(height=16, width=32, channels=1, scaling=Scaling.STANDARD)


def masked(mask: np.ndarray, class_id: int = 1) -> LabelledPicture:
    runs = {class_id: rle.from_mask(mask)}
    return LabelledPicture("a", Path("a"), mask.shape, True, runs, "a")


def test_truth_has_all_classes_of_a_picture_at_once() -> None:
    mask = np.zeros((32, 64), dtype=bool)
    mask[8:16, 0:32] = True
    picture = masked(mask, 5)
    picture = replace(picture, runs={**picture.runs, 2: rle.from_mask(~mask)})
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


@pytest.fixture(scope="module")
def dataset(learnable: Path) -> DataSet:
    return read_dataset(learnable)


@pytest.fixture(scope="module", params=[0, 2**30], ids=["decoded each time", "from memory"])
def samples(request: pytest.FixtureRequest, dataset: DataSet) -> Samples:
    return segmenter_samples(dataset.pictures, SPEC, [1, 2], 0.5, request.param)


def test_batches_hold_every_picture_and_the_last_may_be_smaller(samples: Samples) -> None:
    sizes = [len(inputs) for inputs, _ in fixed_batches(samples, SPEC, 16)]
    assert sizes == [16, 16, 8]
    shuffled = training_batches(samples, SPEC, 16, Augment(), seed=1)
    assert [len(inputs) for inputs, _ in shuffled] == sizes
    assert int(shuffled.cardinality()) == 3


def test_inputs_are_those_of_scoring(samples: Samples, dataset: DataSet) -> None:
    inputs, truth = next(iter(fixed_batches(samples, SPEC, 4)))
    expected = np.stack([prepare(one.read(), SPEC) for one in dataset.pictures[:4]])
    assert (inputs.numpy() == expected).all()
    assert inputs.dtype == truth.dtype == np.float32
    assert truth.shape == (4, 16, 32, 2)


def test_epochs_differ_and_repeat_with_their_seed(samples: Samples) -> None:
    make = partial(training_batches, samples, SPEC, 8, Augment(flip_horizontal=True))
    one, other = make(7), make(7)
    first, second = _epoch(one), _epoch(one)
    assert not (first == second).all()
    assert (_epoch(other) == first).all()
    assert (_epoch(other) == second).all()
    assert not (_epoch(make(8)) == first).all()


def test_gate_samples_carry_the_label(dataset: DataSet) -> None:
    spec = SPEC.model_copy(update={"channels": 3, "scaling": Scaling.UNIT})
    inputs, truth = next(iter(fixed_batches(gate_samples(dataset.pictures, spec, 0), spec, 40)))
    assert inputs.shape == (40, 16, 32, 3)
    assert truth.shape == (40, 1)
    assert truth.numpy().ravel().tolist() == [one.defective for one in dataset.pictures]


def _epoch(batches: object) -> np.ndarray:
    return np.concatenate([inputs for inputs, _ in batches])  # type: ignore[attr-defined]
