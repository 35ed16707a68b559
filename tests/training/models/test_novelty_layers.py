"""The layers of oddness compute distances from clean pictures, as NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

from training.backend import keras
from training.models.novelty import (
    STRIDE,
    Moments,
    Normal,
    Odd,
    compared_features,
    oddness_logits,
    smoothed,
)

CHANNELS = (3, 4, 5, 6, 7)  # at strides 2, 4, 8, 16 and 32
SIZE = 64
PICTURES = 60


@pytest.fixture(scope="module")
def inputs() -> list[keras.KerasTensor]:
    return [
        keras.Input((SIZE // 2**power, SIZE // 2**power, channels))
        for power, channels in enumerate(CHANNELS, start=1)
    ]


@pytest.fixture(scope="module")
def values() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    found = []
    for power, channels in enumerate(CHANNELS, start=1):
        shape = (PICTURES, SIZE // 2**power, SIZE // 2**power, channels)
        found.append(random.normal(5, 1 + np.arange(channels), shape).astype(np.float32))
    return found


def test_layers_say_what_numpy_says(
    inputs: list[keras.KerasTensor], values: list[np.ndarray]
) -> None:
    compared = [np.asarray(one) for one in compared_features(values)]
    size, channels = SIZE // STRIDE, CHANNELS[3]
    assert compared[0].shape == (PICTURES, size, size, channels)
    assert compared[1].shape == (PICTURES, 1, 1, 2 * channels)
    normals = [Normal.of(Moments.of(one[:-2])) for one in compared]
    layers = oddness_logits(inputs, Odd(*normals, weight=0.3, scale=2.0))
    found = np.asarray(keras.Model(inputs, layers)(values))
    contrasts, whole = (
        one.squared_distances(some) for one, some in zip(normals, compared, strict=True)
    )
    squares = np.stack([*map(smoothed, contrasts)]) ** 0.7 * whole**0.3
    np.testing.assert_allclose(found[..., 0], np.log(squares / 2.0), atol=1e-3)


def test_a_contrast_is_that_with_the_picture_and_the_whole_is_the_rest(
    values: list[np.ndarray],
) -> None:
    contrasts, whole = (np.asarray(one) for one in compared_features(values))
    wider = [3 * one + 7 for one in values]
    same, other = (np.asarray(one) for one in compared_features(wider))
    np.testing.assert_allclose(same, contrasts, atol=1e-3)
    channels = CHANNELS[3]
    mean, spread = other[..., :channels], other[..., channels:]
    np.testing.assert_allclose(mean, 3 * whole[..., :channels] + 7, rtol=1e-3)
    np.testing.assert_allclose(spread, whole[..., channels:] + np.log(3), atol=1e-3)


def test_another_surface_is_odd_as_a_whole_and_not_by_its_contrasts(
    values: list[np.ndarray],
) -> None:
    usual = [np.asarray(one) for one in compared_features(values)]
    other = [np.asarray(one) for one in compared_features([2 * one for one in values])]
    contrast, whole = (Normal.of(Moments.of(one)) for one in usual)
    before, after = (contrast.squared_distances(one[0]) for one in (usual, other))
    np.testing.assert_allclose(after, before, rtol=0.01)
    before, after = (whole.squared_distances(one[1]) for one in (usual, other))
    assert after.min() > 3 * before.max()


def test_pictures_of_one_value_have_finite_features(values: list[np.ndarray]) -> None:
    for value in (0, 5):
        flat = [np.full_like(one, value) for one in values]
        assert all(np.isfinite(np.asarray(one)).all() for one in compared_features(flat))


def clean(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return features of clean pictures, with a mean for each place, and their mixing."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(8, 8))
    means = 3 * random.normal(size=(4, 5, 8))
    features = random.normal(size=(count, 4, 5, 8)) @ mixing + means
    return features.astype(np.float32), mixing.astype(np.float32)


def test_usual_places_are_at_distance_one_and_odd_ones_are_not() -> None:
    features, mixing = clean(200)
    normal = Normal.of(Moments.of(features))
    distances = normal.squared_distances(features)
    assert 0.6 < distances.mean() <= 1, "shrinkage makes all distances a little smaller"
    assert normal.squared_distances(features + 10 * mixing[0]).min() > distances.max()


def test_a_usual_picture_in_the_wrong_place_is_odd() -> None:
    features, _ = clean(200)
    normal = Normal.of(Moments.of(features))
    moved = np.roll(features, 2, axis=2)
    assert normal.squared_distances(moved).mean() > 3 * normal.squared_distances(features).mean()


def test_places_that_vary_more_are_allowed_more() -> None:
    features, _ = clean(400)
    features[:, 0] = 4 * features[:, 0]
    distances = Normal.of(Moments.of(features)).squared_distances(features).mean(axis=(0, 2))
    assert distances[0] < 6 * distances[1:].mean(), "without a scale of its own it would be 16"


def test_sums_of_parts_are_the_sums_of_all_and_can_be_taken_away() -> None:
    features, _ = clean(30)
    whole, part = Moments.of(features), Moments.of(features[:10])
    rest = Moments.of(features[10:])
    for found, wanted in ((part + rest, whole), (whole - part, rest)):
        assert found.count == wanted.count
        np.testing.assert_allclose(found.total, wanted.total, atol=1e-9)
        np.testing.assert_allclose(found.products, wanted.products, atol=1e-9)


def test_a_feature_that_never_varies_does_no_harm_even_if_it_is_rounded() -> None:
    features, _ = clean(50)
    features[..., 2] = 700
    normal = Normal.of(Moments.of(features))
    assert np.isfinite(normal.whitening).all()
    rounded = features.copy()
    rounded[..., 2] += np.random.default_rng(0).choice([-2, 2], features.shape[:3])
    before, after = (normal.squared_distances(one).mean() for one in (features, rounded))
    assert after == pytest.approx(before, rel=0.1)
