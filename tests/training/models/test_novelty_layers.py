"""The layers of oddness compute distances from clean pictures, as NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

from training.backend import keras
from training.models.novelty import (
    STRIDE,
    Moments,
    Normal,
    compared_features,
    oddness_logits,
    smoothed,
)

CHANNELS = (3, 4, 5, 6, 7)  # at strides 2, 4, 8, 16 and 32
SIZE = 64


@pytest.fixture(scope="module")
def inputs() -> list[keras.KerasTensor]:
    return [
        keras.Input((SIZE // 2**power, SIZE // 2**power, channels))
        for power, channels in enumerate(CHANNELS, start=1)
    ]


@pytest.fixture(scope="module")
def values() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [
        random.normal(5, 1 + np.arange(channels), (6, SIZE // 2**power, SIZE // 2**power, channels))
        .astype(np.float32)
        for power, channels in enumerate(CHANNELS, start=1)
    ]  # fmt: skip


def test_layers_say_what_numpy_says(
    inputs: list[keras.KerasTensor], values: list[np.ndarray]
) -> None:
    features = np.asarray(compared_features(values))
    assert features.shape == (6, SIZE // STRIDE, SIZE // STRIDE, CHANNELS[3])
    normal = Normal.of(Moments.of(features[:4]))
    found = np.asarray(keras.Model(inputs, oddness_logits(inputs, normal, 2.0))(values))
    squares = np.stack([smoothed(one) for one in normal.squared_distances(features)])
    np.testing.assert_allclose(found[..., 0], np.log(squares / 2.0), atol=1e-3)


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
