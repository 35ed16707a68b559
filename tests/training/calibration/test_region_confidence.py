"""Test the calibration of regions: the error falls, and few regions change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from steeldefect.bundle.manifest import Calibration, Manifest, RegionCurve
from steeldefect.detection.region_curve import calibrated_probability
from training.calibration.region_confidence import (
    FEWEST_REGIONS,
    calibrate_regions,
    fit_curve,
)
from training.evaluation.region_outcomes import RegionOutcome, calibration_error

Draft = Callable[..., Manifest]
RECORD = Calibration(pictures=9, defective=9, objective="balanced")


def honest(count: int, seed: int = 0) -> np.ndarray:
    """Return true shares of regions, float64 (count,)."""
    return np.random.default_rng(seed).beta(3, 2, count)


def sure(shares: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Return what a segmenter says whose logits need this slope and offset."""
    return 1 / (1 + np.exp(-(np.log(shares / (1 - shares)) - offset) / slope))


def regions(
    said: np.ndarray, true: np.ndarray, class_id: int = 1, pictures: int = 40
) -> list[RegionOutcome]:
    return [
        RegionOutcome(class_id, f"g{number % pictures}", float(one), float(other))
        for number, (one, other) in enumerate(zip(said, true, strict=True))
    ]


def calibrated(draft: Draft, found: Sequence[RegionOutcome]) -> tuple[Manifest, tuple[str, ...]]:
    made = draft().model_copy(update={"calibration": RECORD})
    done = calibrate_regions(made, found)
    return done.manifest, done.notes


def told(curve: RegionCurve | None, said: np.ndarray) -> np.ndarray:
    return np.array([calibrated_probability(one, curve) for one in said.tolist()])


@pytest.mark.parametrize(("slope", "offset"), [(0.4, 0.0), (0.5, -0.7), (2.0, 0.3)])
def test_a_planted_curve_is_found(slope: float, offset: float) -> None:
    true = honest(3000)
    said = sure(true, slope, offset)
    found = told(fit_curve(said, true), said)
    assert np.abs(found - true).mean() < 0.02
    assert calibration_error(found, true) < 0.02


def test_a_curve_has_few_points_and_enough_regions_at_each() -> None:
    true = honest(1000)
    assert len(fit_curve(true, true).model) == 15 + 2
    assert len(fit_curve(true[:59], true[:59]).model) == 5 + 2
    assert len(fit_curve(true[:3], true[:3]).model) == 1 + 2


def test_the_order_never_changes_whatever_the_outcomes() -> None:
    said = np.linspace(0.6, 0.99, 100)
    rng = np.random.default_rng(0)
    for outcome in (1 - said, np.zeros(100), np.ones(100), rng.random(100)):
        found = told(fit_curve(said, outcome), said)
        assert (np.diff(found) > 0).all()
        assert abs(found.mean() - outcome.mean()) < 0.05


@pytest.mark.parametrize("same", [0.0, 0.7, 1.0])
def test_equal_probabilities_make_one_point(same: float) -> None:
    outcome = np.linspace(0, 1, 80)
    curve = fit_curve(np.full(80, same), outcome)
    assert len(curve.model) == 2 + (0 < same < 1)
    if 0 < same < 1:
        assert calibrated_probability(same, curve) < 0.7


def test_the_error_of_an_overconfident_segmenter_falls(draft: Draft) -> None:
    rng = np.random.default_rng(2)
    true = honest(400)
    noisy = np.clip(true + rng.normal(0, 0.1, 400), 0, 1)
    found, notes = calibrated(draft, regions(sure(true, 0.35, -0.4), noisy))
    first, second = found.classes
    assert first.region_curve is not None
    assert second.region_curve == first.region_curve, "that of all regions, which are the first's"
    assert notes == (
        "class 2 (c2): 0 regions are too few to calibrate their mean probabilities alone; it has "
        "the curve of all classes together",
    )
    assert found.calibration is not None
    before, after = found.calibration.region_calibration_error or (0, 1)
    assert before > 0.2
    assert after < 0.05
    # on regions that it has not seen
    other = honest(4000, seed=9)
    assert calibration_error(told(first.region_curve, sure(other, 0.35, -0.4)), other) < 0.05
    assert found.format_version == 5


def test_the_error_after_it_is_of_regions_that_were_not_fitted(draft: Draft) -> None:
    # a curve fits the noise of few regions: what was fitted to them looks better than it is
    found_errors, fitted_errors = [], []
    for seed in range(14):
        rng = np.random.default_rng(seed)
        said = sure(honest(60, seed), 0.3, 0.0)
        true = (rng.random(60) < honest(60, seed)).astype(np.float64)
        found, _ = calibrated(draft, regions(said, true, pictures=12))
        curve = found.classes[0].region_curve
        if curve is None or found.calibration is None:
            continue
        fitted_errors.append(calibration_error(told(curve, said), true))
        errors = found.calibration.region_calibration_error
        assert errors is not None
        found_errors.append(errors[1])
    assert len(found_errors) > 5
    assert np.mean(found_errors) > np.mean(fitted_errors)


def test_few_regions_or_groups_stay_as_they_are(draft: Draft) -> None:
    true = honest(FEWEST_REGIONS)
    said = sure(true, 0.3, -0.5)
    enough, _ = calibrated(draft, regions(said, true))
    assert enough.classes[0].region_curve is not None
    for found, told in (
        (regions(said[1:], true[1:]), "49 regions in 40 groups"),
        (regions(said, true, pictures=4), "50 regions in 4 groups"),
    ):
        made, notes = calibrated(draft, found)
        assert [one.region_curve for one in made.classes] == [None, None]
        assert told in notes[0]
        assert made.format_version == 3
        assert made.calibration == RECORD


def test_classes_with_few_regions_share_a_curve(draft: Draft) -> None:
    true = honest(80)
    of_each = regions(sure(true, 0.3, -0.5), true)
    found = [one._replace(class_id=1 + place % 2) for place, one in enumerate(of_each)]
    made, notes = calibrated(draft, found)
    first, second = made.classes
    assert first.region_curve == second.region_curve == fit_curve(sure(true, 0.3, -0.5), true)
    assert [note[:27] for note in notes] == [
        "class 1 (c1): 40 regions ar",
        "class 2 (c2): 40 regions ar",
    ]
    assert made.calibration is not None
    before, after = made.calibration.region_calibration_error or (0, 1)
    assert after < 0.5 * before


def test_a_shared_curve_must_help_the_classes_that_share_it(draft: Draft) -> None:
    true = honest(200)
    many = regions(sure(true, 0.3, -0.5), true)
    rare = [one._replace(class_id=2) for one in regions(honest(30, 5), honest(30, 5))]
    made, notes = calibrated(draft, [*many, *rare])
    assert made.classes[0].region_curve is not None
    assert made.classes[1].region_curve is None, "its own probabilities are right"
    assert "30 regions in" in notes[0]


def test_a_curve_that_does_not_help_is_left_out(draft: Draft) -> None:
    said = np.full(100, 0.8)
    true = np.array([1.0, 1.0, 1.0, 1.0, 0.0] * 20)
    made, notes = calibrated(draft, regions(said, true, pictures=20))
    assert made.classes[0].region_curve is None
    assert "would not bring them nearer to the shares of true pixels" in notes[0]


def test_classes_have_curves_of_their_own(draft: Draft) -> None:
    true = honest(300)
    first, second = sure(true, 0.3, 0.0), sure(true, 0.6, -0.5)
    found, notes = calibrated(draft, [*regions(first, true), *regions(second, true, class_id=2)])
    assert notes == ()
    curves = [one.region_curve for one in found.classes]
    assert None not in curves
    for own, other, said in ((0, 1, first), (1, 0, second)):
        assert np.abs(told(curves[own], said) - true).mean() < 0.03
        assert np.abs(told(curves[other], said) - true).mean() > 0.06
    assert Manifest.model_validate_json(found.model_dump_json()) == found
