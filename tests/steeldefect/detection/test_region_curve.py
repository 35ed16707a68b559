"""Calibrated mean probabilities: in every row, and nothing else changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from steeldefect.api.picture_result import public_finding
from steeldefect.bundle.manifest import DefectClass, RegionCurve
from steeldefect.detection.outline import Outline, OutlineRules, outline_picture
from steeldefect.detection.region_curve import calibrated_probability
from steeldefect.detection.regions import Region
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.strip import Place
from steeldefect.scoring.defect_rows import defect_rows

CURVE = RegionCurve(model=(0, 0.55, 0.8, 1), calibrated=(0, 0.25, 0.4, 0.9))
SHAPE = (40, 60)
RULES = OutlineRules(measured=True, rejected=50, levels=(0.3, 0.7))
CLASSES = [
    DefectClass(id=1, name="scratch", pixel_threshold=0.6),
    DefectClass(id=2, name="spot", pixel_threshold=0.5, min_area=10_000),
    DefectClass(id=3, name="edge", pixel_threshold=0.5),
]


def maps() -> Float32:
    """Return smooth class maps with several regions, at half the size of the picture."""
    noise = np.random.default_rng(4).random((20, 30, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (5, 5), 1.2)
    return np.ascontiguousarray((smooth - smooth.min()) / (smooth.max() - smooth.min()))


def outline(*scaled: int) -> Outline:
    """Return the outline if the classes with these ids have a curve."""
    classes = [
        one.model_copy(update={"region_curve": CURVE if one.id in scaled else None})
        for one in CLASSES
    ]
    return outline_picture(maps(), SHAPE, classes, RULES)


def regions(found: Outline) -> list[tuple[int, Region]]:
    """Return all regions, kept and removed, with the class."""
    kept = [(one.defect_class.id, region) for one in found.findings for region in one.regions]
    return kept + [(one.defect_class.id, one.region) for one in found.rejected]


def test_every_mean_of_a_scaled_class_is_calibrated_and_no_other() -> None:
    plain, scaled = outline(), outline(1, 2)
    seen = set()
    for (number, before), (same, after) in zip(regions(plain), regions(scaled), strict=True):
        assert number == same
        expected = before.mean_probability
        if number in (1, 2):
            expected = calibrated_probability(before.mean_probability, CURVE)
            assert abs(expected - before.mean_probability) > 0.01
        assert after.mean_probability == expected
        seen.add(number)
    assert seen == {1, 2, 3}
    for before, after in zip(plain.findings, scaled.findings, strict=True):
        curve = CURVE if before.defect_class.id == 1 else None
        expected = calibrated_probability(before.mean_probability, curve)
        assert after.mean_probability == expected
    assert {one.defect_class.id for one in scaled.levels} == {1, 2, 3}
    for before, after in zip(plain.levels, scaled.levels, strict=True):
        curve = CURVE if before.defect_class.id in (1, 2) else None
        assert after.mean_probability == calibrated_probability(before.mean_probability, curve)


def test_masks_areas_and_largest_probabilities_stay() -> None:
    plain, scaled = outline(), outline(1, 2, 3)
    for (_, before), (_, after) in zip(regions(plain), regions(scaled), strict=True):
        assert np.array_equal(before.runs, after.runs)
        same = {"runs": None, "mean_probability": None}
        assert before._asdict() | same == after._asdict() | same
    for before, after in zip(plain.findings, scaled.findings, strict=True):
        assert np.array_equal(before.runs, after.runs)
        assert (before.area, before.box) == (after.area, after.box)
        assert before.max_probability == after.max_probability
    for before, after in zip(plain.levels, scaled.levels, strict=True):
        assert np.array_equal(before.runs, after.runs)
        assert (before.level, before.max_probability) == (after.level, after.max_probability)
    assert plain.rejected_count == scaled.rejected_count > 0


def test_a_curve_is_linear_between_its_points() -> None:
    x = np.linspace(0, 1, 101)
    told = [calibrated_probability(float(one), CURVE) for one in x]
    assert told == pytest.approx(np.interp(x, CURVE.model, CURVE.calibrated))
    assert calibrated_probability(1.0, CURVE) == 0.9


def test_rows_and_results_carry_the_calibrated_value() -> None:
    scaled = outline(1)
    rows = [row for row in defect_rows("a.png", scaled, Place(), None) if row.class_id == 1]
    finding = next(one for one in scaled.findings if one.defect_class.id == 1)
    assert [row.mean_probability for row in rows] == [
        one.mean_probability for one in finding.regions
    ]
    weights = [row.area for row in rows]
    # the mask's mean is scaled as one; it is not the mean of its scaled regions
    plain = next(one for one in outline().findings if one.defect_class.id == 1)
    own = np.average([one.mean_probability for one in plain.regions], weights=weights)
    shown = public_finding(finding, SHAPE).mean_probability
    assert shown == pytest.approx(calibrated_probability(float(own), CURVE), abs=1e-6)


def test_the_order_of_regions_stays() -> None:
    before = [one.mean_probability for number, one in regions(outline()) if number == 1]
    after = [one.mean_probability for number, one in regions(outline(1)) if number == 1]
    assert len(before) > 2
    assert np.argsort(before).tolist() == np.argsort(after).tolist()
