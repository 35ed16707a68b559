"""Preprocessing: a gray picture becomes the input of a model."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from steeldefect.pictures.preprocessing import (
    Gray,
    InputSpec,
    Interpolation,
    Scaling,
    prepare,
    resize,
    scale,
)

pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)))
on_any_picture = settings(deadline=None, max_examples=100)


def spec(**changes: Any) -> InputSpec:
    values = {"height": 8, "width": 16, "channels": 1, "scaling": Scaling.UNIT}
    return InputSpec(**(values | changes))


@on_any_picture
@given(pictures, st.sampled_from(Scaling), st.sampled_from(Interpolation), st.integers(1, 3))
def test_the_result_has_the_models_shape_whatever_the_picture(
    picture: Gray, scaling: Scaling, interpolation: Interpolation, channels: int
) -> None:
    wanted = spec(scaling=scaling, interpolation=interpolation, channels=channels)
    prepared = prepare(picture, wanted)
    assert prepared.shape == (8, 16, channels)
    assert prepared.dtype == np.float32
    assert np.isfinite(prepared).all()
    assert (prepared == prepared[:, :, :1]).all(), "gray is repeated"


@on_any_picture
@given(pictures)
def test_unit_scaling_is_a_division_by_255(picture: Gray) -> None:
    scaled = scale(picture, spec())
    assert np.allclose(scaled[:, :, 0], picture / 255, atol=1e-7)
    assert scaled.min() >= 0
    assert scaled.max() <= 1


@on_any_picture
@given(pictures)
def test_standard_scaling_has_mean_0_and_deviation_1(picture: Gray) -> None:
    scaled = scale(picture, spec(scaling=Scaling.STANDARD)).astype(np.float64)
    assert abs(scaled.mean()) < 1e-3
    if picture.min() == picture.max():
        assert not scaled.any(), "one gray becomes zeros, not infinities"
    else:
        assert abs(scaled.std() - 1) < 1e-3


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    picture = np.arange(128, dtype=np.uint8).reshape(8, 16)
    assert resize(picture, spec()) is picture
    assert np.array_equal(prepare(picture, spec())[:, :, 0] * 255, picture.astype(np.float32))


def test_preparing_leaves_the_picture_as_it_was() -> None:
    picture = np.full((8, 16), 100, np.uint8)
    picture.flags.writeable = False  # as decoding returns it
    prepare(picture, spec(scaling=Scaling.STANDARD))
    assert (picture == 100).all()


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [
        (Interpolation.AREA, [[100, 0], [0, 50]]),  # the mean of each block of four
        (Interpolation.LINEAR, [[100, 0], [0, 50]]),
        (Interpolation.NEAREST, [[200, 0], [0, 50]]),  # the first of each block
    ],
)
def test_how_blocks_of_four_pixels_become_one(
    interpolation: Interpolation, expected: list[list[int]]
) -> None:
    picture = np.array(
        [[200, 200, 0, 0], [0, 0, 0, 0], [0, 0, 50, 50], [0, 0, 50, 50]], dtype=np.uint8
    )
    small = resize(picture, spec(height=2, width=2, interpolation=interpolation))
    assert small.tolist() == expected


def test_area_keeps_a_hairline_that_the_others_lose() -> None:
    picture = np.zeros((8, 256), np.uint8)
    picture[:, 100] = 255
    faint = {one: int(resize(picture, spec(interpolation=one)).max()) for one in Interpolation}
    assert faint[Interpolation.AREA] > 0
    assert faint[Interpolation.NEAREST] == faint[Interpolation.LINEAR] == 0


def test_resizing_is_opencvs_own() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 400), dtype=np.uint8)
    expected = cv2.resize(picture, (16, 8), interpolation=cv2.INTER_AREA)
    assert np.array_equal(resize(picture, spec()), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 0},
        {"width": -1},
        {"channels": 0},
        {"channels": 4},
        {"scaling": "other"},
        {"interpolation": "cubic"},
        {"colour": True},
    ],
)
def test_a_spec_that_no_model_has_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**wrong)
