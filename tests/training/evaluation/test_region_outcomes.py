"""Regions compared with the truth, and their calibration error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.manifest import DefectClass, Novelty
from steeldefect.detection.outline import OutlineRules, outline_picture
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture
from training.evaluation.region_outcomes import (
    RegionOutcome,
    calibration_error,
    region_outcomes,
    region_score,
)

CLASSES = [DefectClass(id=3, name="a"), DefectClass(id=5, name="b")]


def picture(defective: bool, **truth: np.ndarray) -> LabelledPicture:
    runs = {int(name[1:]): run_lengths.from_mask(mask) for name, mask in truth.items()}
    return LabelledPicture("p.png", Path("none"), (8, 10), defective, runs, "coil")


def test_a_regions_outcome_is_the_share_of_its_true_pixels() -> None:
    maps = np.zeros((8, 10, 2), np.float32)
    maps[1:3, 1:5, 0] = 0.75  # eight pixels, half of them true
    maps[6, 6:9, 0] = 0.9  # three pixels, none true
    maps[0, 0, 1] = 1  # true of the other class only
    true = np.zeros((8, 10), bool)
    true[1, 1:5] = true[0, 0] = True
    outline = outline_picture(maps, (8, 10), CLASSES, OutlineRules(measured=True))
    found = region_outcomes(outline, picture(True, c3=true))
    assert [(one.class_id, one.group) for one in found] == [(3, "coil"), (3, "coil"), (5, "coil")]
    assert [one.outcome for one in found] == [0.5, 0, 0]
    assert [one.probability for one in found] == pytest.approx([0.75, 0.9, 1])
    assert [one.outcome for one in region_outcomes(outline, picture(False))] == [0, 0, 0]
    assert region_outcomes(outline, picture(True)) == (), "nobody drew its masks"
    masks_only = outline_picture(maps, (8, 10), CLASSES, OutlineRules())
    assert region_outcomes(masks_only, picture(True, c3=true)) == ()


def test_regions_of_the_unknown_are_not_compared_with_a_truth() -> None:
    maps = np.zeros((8, 10, 2), np.float32)
    maps[1:3, 1:5, 0] = maps[6, 6:9, 1] = 0.75
    outline = outline_picture(maps, (8, 10), CLASSES, OutlineRules(measured=True), CLASSES[1])
    novelty = Novelty(limit=0.5, unknown=CLASSES[1], clean_pictures=0, false_alarms=1)
    clean = picture(False)
    assert [one.class_id for one in region_outcomes(outline, clean)] == [3, 5]
    assert [one.class_id for one in region_outcomes(outline, clean, novelty)] == [3]


def test_the_error_is_the_mean_gap_of_bins_weighted_by_regions() -> None:
    # bins of 1/15: 0.91 and 0.93 share the bin from 14/15 down to 13/15; 1.0 is in the last one
    probability = np.array([0.91, 0.93, 1.0, 0.02])
    outcome = np.array([1.0, 0.5, 0.7, 0.1])
    gaps = [abs(0.92 - 0.75) * 2, abs(1.0 - 0.7), abs(0.02 - 0.1)]
    assert calibration_error(probability, outcome) == pytest.approx(sum(gaps) / 4)


def test_gaps_within_a_bin_cancel_and_across_bins_do_not() -> None:
    assert calibration_error(np.array([0.5, 0.5]), np.array([0.0, 1.0])) == 0
    assert calibration_error(np.array([0.1, 0.9]), np.array([0.9, 0.1])) == pytest.approx(0.8)


def test_the_score_counts_regions() -> None:
    regions = [RegionOutcome(1, "g", 0.8, 0.6), RegionOutcome(2, "h", 0.8, 0.8)]
    score = region_score(regions)
    assert (score.name, score.scope, score.support) == ("region_calibration_error", "overall", 2)
    assert score.value == pytest.approx(0.1)
    nothing = region_score([])
    assert (nothing.value, nothing.support) == (None, 0)
