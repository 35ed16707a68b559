"""Seed thresholds: a region counts only if one of its pixels is above them, too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.outline import (
    OutlineRules,
    find_defect,
    outline_maps,
    outline_picture,
    seeded,
)
from steeldefect.detection.windows import DeviceMaps, resize_map
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.run_lengths import Mask
from steeldefect.runtimes.device_program import PictureMasks, planes_of

PLAIN = DefectClass(id=1, name="scratch", pixel_threshold=0.3)
SEEDED = DefectClass(id=1, name="scratch", pixel_threshold=0.3, seed_threshold=0.8)


def grown(seeds: Mask, mask: Mask) -> Mask:
    """Return what is reached from the seeds, from pixel to neighbouring pixel of the mask."""
    reached = seeds & mask
    while True:
        wide = np.pad(reached, 1)
        rows, columns = reached.shape
        near = [wide[down : down + rows, right : right + columns]
                for down in range(3) for right in range(3)]  # fmt: skip
        more = np.any(near, axis=0) & mask
        if (more == reached).all():
            return reached
        reached = more


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_regions_are_grown_from_their_seeds(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice(np.array([0.1, 0.3, 0.5, 0.8, 0.9], np.float32), shape)
    mask = values > 0.3
    expected = grown(values > 0.8, mask)
    assert np.array_equal(seeded(mask, values, 0.8), expected)
    found = find_defect(values, shape, SEEDED)
    assert (found is None) == (not expected.any())
    if found is not None:
        assert np.array_equal(run_lengths.to_mask(found.runs, shape), expected)
        assert found.max_probability == np.float32(0.9)


def stripes(*peaks: float) -> Float32:
    """Return a class map with a region for each peak, 3 pixels wide; its ends have half of it."""
    values = np.zeros((4, 4 * len(peaks), 1), np.float32)
    for place, peak in enumerate(peaks):
        values[1, 4 * place : 4 * place + 3, 0] = [peak / 2, peak, peak / 2]
    return values


def test_a_region_without_a_seed_is_neither_found_nor_removed() -> None:
    rules = OutlineRules(measured=True, rejected=9)
    maps = stripes(0.7, 0.9, 0.75)
    both = [outline_picture(maps, (4, 12), [one], rules) for one in (PLAIN, SEEDED)]
    assert [one.findings[0].region_count for one in both] == [3, 1]
    (region,) = both[1].findings[0].regions
    assert (region.area, region.max_probability) == (3, np.float32(0.9))
    assert both[1].rejected_count == 0
    removed = SEEDED.model_copy(update={"min_area": 4})
    outline = outline_picture(maps, (4, 12), [removed], rules)
    assert (outline.findings, outline.rejected_count) == ((), 1)


@pytest.mark.parametrize("peak", [0.7, 0.9])
def test_masks_at_other_thresholds_need_no_seed(peak: float) -> None:
    rules = OutlineRules(levels=(0.4, 0.6))
    outline = outline_picture(stripes(peak), (4, 4), [SEEDED], rules)
    assert [(one.level, one.area) for one in outline.levels] == [
        (0.4, 3 if peak > 0.8 else 1),
        (0.6, 1),
    ]
    assert len(outline.findings) == (peak > 0.8)
    too_small = SEEDED.model_copy(update={"min_area": 9})
    kept = outline_picture(stripes(peak), (4, 4), [too_small], rules).levels
    assert [one.level for one in kept] == [0.3, 0.4, 0.6][peak < 0.8 :]


def from_device(maps: Float32, shape: tuple[int, int], levels: tuple[float, ...]) -> DeviceMaps:
    """Return what a device program answers for one picture."""
    planes = planes_of([SEEDED], levels)
    full = resize_map(maps[:, :, 0], shape)
    masks = [full > plane.threshold for plane in planes]
    bits = np.stack([np.packbits(one) for one in masks])
    kept = {0: maps[:, :, 0]} if any(one.any() for one in masks) else {}
    return DeviceMaps(PictureMasks(shape, True, maps.max(axis=(0, 1)), planes, bits, kept))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(), (0.5,), (0.9,)]))
def test_masks_from_a_device_are_seeded_as_on_the_host(
    seed: int, levels: tuple[float, ...]
) -> None:
    rng = np.random.default_rng(seed)
    # values between which no interpolated one lies at a threshold, where roundings would differ
    values = rng.choice(np.array([0.1, 0.27, 0.53, 0.77, 0.91], np.float32), (5, 6, 1))
    shape = (15, 12)
    rules = OutlineRules(measured=True, levels=levels)
    host = outline_picture(values, shape, [SEEDED], rules)
    device = outline_maps(from_device(values, shape, levels), shape, [SEEDED], rules)
    assert [one.runs.tolist() for one in host.findings] == [
        one.runs.tolist() for one in device.findings
    ]
    assert [(one.level, one.runs.tolist()) for one in host.levels] == [
        (one.level, one.runs.tolist()) for one in device.levels
    ]
