"""The statistics of a picture, compared with plain formulas."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from steeldefect.pictures.preprocessing import Gray
from steeldefect.pictures.statistics import picture_statistics


def noisy(seed: int = 0, height: int = 256, width: int = 1600) -> Gray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(256, 1600), (3, 3), (9, 10), (17, 400), (64, 128)])
def test_each_number_is_its_formula(shape: tuple[int, int]) -> None:
    picture = noisy(1, *shape)
    found = picture_statistics(picture)
    whole = picture.astype(np.float64)
    assert found.gray_mean == pytest.approx(whole.mean())
    assert found.gray_std == pytest.approx(whole.std())
    assert found.clipped_dark == pytest.approx((picture[::2] <= 2).mean())
    assert found.clipped_bright == pytest.approx((picture[::2] >= 253).mean())
    assert found.black_margin == 0
    around = whole[:-2, 1:-1] + whole[2:, 1:-1] + whole[1:-1, :-2] + whole[1:-1, 2:]
    laplacian = 4 * whole[1:-1, 1:-1] - around
    assert found.sharpness == pytest.approx((laplacian[::7] ** 2).mean())


def test_the_black_margin_is_what_lies_beyond_the_lit_rectangle() -> None:
    picture = np.zeros((256, 1600), np.uint8)
    picture[:, 400:1200] = 100
    assert picture_statistics(picture).black_margin == 0.5
    picture[128:] = 0
    assert picture_statistics(picture).black_margin == 0.75
    picture[:, :400] = 3  # noise of the sensor
    assert picture_statistics(picture).black_margin == 0.75


def test_a_black_picture_is_all_margin_and_all_clipped() -> None:
    found = picture_statistics(np.zeros((64, 128), np.uint8))
    assert found == (0.0, 0.0, 0.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 50), (50, 2)])
def test_a_picture_too_small_for_it_has_no_sharpness(shape: tuple[int, int]) -> None:
    found = picture_statistics(np.full(shape, 255, np.uint8))
    assert found == (255.0, 0.0, None, 0.0, 1.0, 0.0)


def test_a_view_of_a_larger_picture_gives_the_same() -> None:
    whole = noisy(2, 100, 300)
    part = whole[10:90:2, 20:280]
    assert picture_statistics(part) == picture_statistics(np.ascontiguousarray(part))


def test_blur_lowers_the_sharpness_and_darkness_the_brightness() -> None:
    picture = noisy(3)
    before = picture_statistics(picture)
    blurred = picture_statistics(cv2.GaussianBlur(picture, (0, 0), 1))
    assert blurred.sharpness is not None
    assert before.sharpness is not None
    assert blurred.sharpness < before.sharpness / 10
    darker = picture_statistics((picture * 0.9).astype(np.uint8))
    assert darker.gray_mean == pytest.approx(before.gray_mean * 0.9, rel=0.01)
