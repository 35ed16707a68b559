"""Doubts of a bundle that calibrates its regions: thresholds are compared with the model's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.reviewing import Night, thresholds

from steeldefect.bundle.manifest import DefectClass, RegionCurve
from steeldefect.detection.region_curve import calibrated_probability
from steeldefect.publish.thresholds import ClassThresholds
from steeldefect.review.pick import Wanted, pick
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

CURVE = RegionCurve(model=(0, 0.55, 0.8, 1), calibrated=(0, 0.25, 0.4, 0.9))


def curved_thresholds() -> str:
    stated = json.loads(thresholds())
    for one in stated["classes"].values():
        one["region_curve"] = CURVE.model_dump()
    return json.dumps(stated)


@pytest.mark.parametrize("curved", [False, True])
def test_a_region_near_the_pixel_threshold_is_found_at_either_scale(
    store: Store, tmp_path: Path, curved: bool
) -> None:
    night = Night(tmp_path / "archive")
    for key, mean in (("near.png", 0.52), ("far.png", 0.9)):
        told = calibrated_probability(mean, CURVE if curved else None)
        night.with_region(key, 30, len(key), mean_probability=told)
    night.end(store, thresholds=curved_thresholds() if curved else thresholds())
    (row,) = pick(store, ScoreSettings(), Wanted(random_share=0)).rows
    assert row.key == "near.png"
    assert row.reason == "region of class scratch: mean probability 0.52, threshold 0.50"
    assert row.score == pytest.approx(0.48 / 0.52, rel=1e-4)


def test_a_class_with_a_seed_threshold_counts_by_its_largest_probability(
    store: Store, tmp_path: Path
) -> None:
    stated = json.loads(thresholds())
    for one in stated["classes"].values():
        one["seed_threshold"] = 0.8
    night = Night(tmp_path / "archive")
    for key, mean, largest in (("near.png", 0.9, 0.82), ("far.png", 0.52, 0.99)):
        night.with_region(key, 30, len(key), mean_probability=mean, max_probability=largest)
    night.end(store, thresholds=json.dumps(stated))
    (row,) = pick(store, ScoreSettings(), Wanted(random_share=0)).rows
    assert row.key == "near.png"
    assert row.reason == "region of class scratch: largest probability 0.82, threshold 0.80"
    assert row.score == pytest.approx((0.8 / 0.2) / (0.82 / 0.18), rel=1e-4)


def test_thresholds_state_a_curve_and_a_seed_only_if_there_is_one() -> None:
    own = {"pixel_threshold": 0.5, "min_area": 3}
    assert ClassThresholds(**own).model_dump() == own
    assert ClassThresholds(**own, seed_threshold=0.8).model_dump() == own | {"seed_threshold": 0.8}
    one = DefectClass(id=1, name="a", region_curve=CURVE)
    stated = ClassThresholds(**own, region_curve=one.region_curve)
    assert ClassThresholds.model_validate_json(stated.model_dump_json()) == stated
