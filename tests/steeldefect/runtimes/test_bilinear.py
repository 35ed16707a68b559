"""Bilinear resizing of windows, against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.runtimes.device_program.bilinear import resize_window, taps

maps = st.tuples(st.integers(2, 90), st.integers(2, 90))
"""Sizes of class maps. OpenCV 5 rounds places to float32 where a map has one row or one column
only, so its weights are off by up to 1e-5 there. No segmenter has such a map."""
pictures = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(source=maps, target=pictures, data=st.data())
def test_a_window_is_what_opencv_has_there(
    source: tuple[int, int], target: tuple[int, int], data: st.DataObject
) -> None:
    map_ = np.random.default_rng(0).random(source, dtype=np.float32)
    whole = cv2.resize(map_, target[::-1], interpolation=cv2.INTER_LINEAR)
    window = []
    for size in target:
        start = data.draw(st.integers(0, size - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, size))))
    found = resize_window(map_, target, *window)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole.reshape(target)[tuple(window)], atol=1e-6)


@pytest.mark.parametrize(("source", "target"), [(1, 1), (1, 7), (7, 1), (5, 5), (800, 1590)])
def test_neighbours_lie_in_the_map(source: int, target: int) -> None:
    low, high, weight = taps(source, target)
    assert low.shape == high.shape == weight.shape == (target,)
    assert low.min() >= 0
    assert high.max() <= source - 1
    assert set(np.unique(high - low)) <= {0, 1}
    assert weight.min() >= 0
    assert weight.max() < 1
    assert (weight[low == source - 1] == 0).all()
