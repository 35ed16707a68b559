"""Narrowing is what OpenCV's area interpolation does, bit by bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeldefect.pictures.narrowing import narrowed


@settings(max_examples=200)
@given(
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(2, 99),
    st.integers(1, 8),
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 17, 256]),
)
def test_the_result_is_that_of_opencv(
    height: int, made: int, taken: int, repeated: int, seed: int, grays: int
) -> None:
    random = np.random.default_rng(seed)
    levels = random.integers(0, grays, (height, taken * repeated)) * (255 // (grays - 1))
    picture = levels.astype(np.uint8)
    found = narrowed(picture, height, made * repeated)
    if found is not None:
        size = (made * repeated, height)
        assert np.array_equal(found, cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def test_strips_are_narrowed_and_other_ratios_are_not() -> None:
    strip = np.random.default_rng(0).integers(0, 256, (256, 1600)).astype(np.uint8)
    found = narrowed(strip, 256, 256)
    assert found is not None
    assert np.array_equal(found, cv2.resize(strip, (256, 256), interpolation=cv2.INTER_AREA))
    assert narrowed(strip, 128, 256) is None  # the height changes
    assert narrowed(strip, 256, 800) is None  # means of two may lie half way
    assert narrowed(strip, 256, 1600) is None
    assert narrowed(strip, 256, 2000) is None  # wider


@pytest.mark.parametrize("step", [1, 2])
def test_a_part_of_a_picture_is_narrowed_too(step: int) -> None:
    whole = np.random.default_rng(1).integers(0, 256, (20, 200)).astype(np.uint8)
    part = whole[::step, 50:125]
    expected = cv2.resize(part.copy(), (25, len(part)), interpolation=cv2.INTER_AREA)
    assert np.array_equal(narrowed(part, len(part), 25), expected)
