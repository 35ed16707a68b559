"""Blending: nothing changes outside the piece, contrast stays, and no step shows at its border."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from training.compositing.poisson import (
    Piece,
    clone,
    cover_of,
    membrane,
    shade,
    to_gray,
    to_levels,
    to_logs,
)

SHAPE = (48, 96)


def slope(low: float, high: float) -> npt.NDArray[np.float32]:
    return np.tile(np.linspace(low, high, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))


def disc(radius: int = 10) -> npt.NDArray[np.bool_]:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    cv2.circle(mask, (48, 24), radius, 1, -1)
    return mask.astype(bool)


def cut(picture: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> Piece:
    cover = cover_of(mask, 6)
    logs = to_logs(picture)
    return Piece(logs - membrane(logs, cover == 0), cover)


def test_logs_and_levels_are_inverse() -> None:
    levels = np.arange(256, dtype=np.float32)[None, :]
    np.testing.assert_allclose(to_levels(to_logs(levels)), levels, atol=1e-3)


def test_a_cover_is_whole_in_the_mask_and_ends_at_the_margin() -> None:
    mask = disc()
    cover = cover_of(mask, 6)
    assert (cover[mask] == 1).all()
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    assert (cover[away >= 6] == 0).all()
    assert (cover[(away > 0) & (away < 5.9)] > 0).all()


def test_a_membrane_continues_an_even_slope_under_a_defect() -> None:
    steel = to_logs(slope(80, 120))
    hidden = np.where(disc(14), np.float32(9.0), steel)
    np.testing.assert_allclose(membrane(hidden, ~disc(14)), steel, atol=0.02)


def test_a_membrane_without_steel_is_the_mean() -> None:
    logs = to_logs(slope(80, 120))
    np.testing.assert_allclose(membrane(logs, np.zeros(SHAPE, dtype=bool)), logs.mean())


@pytest.mark.parametrize("thick", [1, 3, 20])
@pytest.mark.parametrize("strength", [0.5, 1.5])
def test_a_clone_keeps_the_contrast_of_dark_and_bright_thin_and_broad_defects(
    thick: int, strength: float
) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[8:40, 48 - thick // 2 : 48 - thick // 2 + thick] = True
    steel, ground = slope(90, 110), slope(150, 60)
    defective = np.where(mask, (steel + 8) * np.float32(strength) - 8, steel)
    made = clone(ground, cut(defective, mask), np.ones(SHAPE, dtype=bool))
    contrast = (made[mask] + 8) / (ground[mask] + 8)
    np.testing.assert_allclose(contrast, strength, rtol=0.03)


def test_a_clone_changes_nothing_outside_the_piece() -> None:
    rng = np.random.default_rng(3)
    ground = slope(90, 140) + rng.normal(0, 4, SHAPE).astype(np.float32)
    piece = cut(np.where(disc(), np.float32(30), slope(100, 100)), disc())
    for made in (clone(ground, piece, np.ones(SHAPE, dtype=bool)), shade(ground, piece)):
        outside = piece.cover == 0
        np.testing.assert_array_equal(made[outside], ground[outside])
        assert np.abs(made[disc()] - ground[disc()]).min() > 20


def test_no_step_shows_where_a_clean_piece_ends() -> None:
    piece = cut(slope(40, 60), disc(16))
    ground = slope(150, 190)
    made = clone(ground, piece, np.ones(SHAPE, dtype=bool))
    assert np.abs(made - ground).max() < 2.5


def test_a_shade_keeps_the_grain_of_the_ground() -> None:
    rng = np.random.default_rng(4)
    ground = 100 + rng.normal(0, 5, SHAPE).astype(np.float32)
    gain = Piece(np.full(SHAPE, np.log(0.5), np.float32), disc().astype(np.float32))
    made = shade(ground, gain)
    grain = np.corrcoef(made[disc()], ground[disc()])[0, 1]
    assert grain > 0.999


def test_gray_levels_stay_in_their_range() -> None:
    levels = np.array([[-4.0, 0.4, 254.6, 300.0]], dtype=np.float32)
    assert to_gray(levels).tolist() == [[0, 0, 255, 255]]
