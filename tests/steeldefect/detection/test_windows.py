"""Windows of class maps: their values are those of the whole map, resized, bit by bit."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeldefect.detection.windows import ClassMaps, resize_map

SIZES = [
    ((256, 256), (256, 1600)),
    ((128, 800), (256, 1600)),
    ((128, 512), (256, 1024)),
    ((224, 224), (200, 200)),
    ((288, 224), (400, 311)),  # no common divisor: the window is as wide as the map
    ((64, 96), (64, 96)),
]


def drawn_maps(shape: tuple[int, int], seed: int) -> npt.NDArray[np.float32]:
    """Return maps of three classes with smooth blobs, of which the second is empty."""
    random = np.random.default_rng(seed)
    maps = np.zeros((*shape, 3), np.float32)
    for number in (0, 2):
        noise = random.standard_normal(shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), random.uniform(2, 9))
        top, left = random.integers(0, [shape[0] // 2, shape[1] // 2])
        down, right = random.integers(4, [shape[0] // 2, shape[1] // 2])
        inside = np.s_[top : top + down, left : left + right]
        values = smooth / np.abs(smooth).max()
        maps[:, :, number][inside] = 1 / (1 + np.exp(-8 * values[inside]))
    return maps


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_a_window_holds_what_the_whole_map_holds(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    smaller = 0
    for seed in range(20):
        maps = drawn_maps(shape, seed)
        windows = ClassMaps(maps)
        assert windows.finite
        assert windows.window_above(1, size, 0.01, 0.01) is None
        for number in (0, 2):
            threshold = float(np.random.default_rng(seed).uniform(0.3, 0.8))
            whole = resize_map(maps[:, :, number], size)
            window = windows.window_above(number, size, threshold, threshold)
            if window is None:
                assert not (whole > threshold).any()
                continue
            height, width = window.values.shape
            inside = np.s_[window.top : window.top + height, window.left : window.left + width]
            above = whole > threshold
            assert np.array_equal(window.values > threshold, above[inside])
            assert np.array_equal(window.values[above[inside]], whole[above])
            assert above.sum() == above[inside].sum()
            smaller += window.values.size < whole.size
    assert smaller > 20 or shape == (288, 224)


def test_a_window_of_one_row_is_what_the_whole_map_holds() -> None:
    """OpenCV has other weights for a map of one row."""
    for seed in range(50):
        maps = np.random.default_rng(seed).random((4, 16, 1), np.float32) / 2
        maps[1, 4:9, 0] += 0.5
        window = ClassMaps(maps).window_above(0, (4, 100), 0.5, 0.5)
        assert window is not None
        whole = resize_map(maps[:, :, 0], (4, 100))
        height, width = window.values.shape
        inside = np.s_[window.top : window.top + height, window.left : window.left + width]
        above = whole > 0.5
        assert np.array_equal(window.values[above[inside]], whole[above])


def test_pixels_that_equal_the_threshold_are_not_above_it() -> None:
    maps = np.full((8, 8, 1), 0.5, np.float32)
    assert ClassMaps(maps).window_above(0, (16, 50), 0.5, 0.5) is None
    maps[3, 3] = 0.75
    window = ClassMaps(maps).window_above(0, (16, 50), 0.5, 0.5)
    assert window is not None
    assert np.array_equal(window.values, resize_map(maps[:, :, 0], (16, 50)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_seen(value: float) -> None:
    maps = np.zeros((6, 7, 2), np.float32)
    assert ClassMaps(maps).finite
    maps[5, 0, 1] = value
    assert not ClassMaps(maps).finite
