"""Expected recall and precision of the gate, compared with labels drawn from the probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from watched_plant import changed, kept, plant, without_places

from steeldefect.errors import DataError
from steeldefect.watch import DriftReport, compare, expect_gate, make_reference, profile

REFERENCE = make_reference(plant(100, coils=50), "run 1", as_they_come=True)
CALM = compare(profile(plant(1)), REFERENCE)


def test_sums_of_probabilities_are_the_expectation() -> None:
    chances = np.array([0.9, 0.6, 0.2, 0.1, np.nan], np.float32)
    found = expect_gate(chances, np.array([1, 1, 0, 0, 1], bool), CALM)
    assert (found.pictures, found.found, found.missed) == pytest.approx((4, 1.5, 0.3))
    assert (found.recall, found.precision) == pytest.approx((1.5 / 1.8, 0.75))
    assert (found.valid, found.reason) == (True, "")


def test_intervals_hold_the_recall_of_calibrated_nights() -> None:
    """Labels are drawn from the probabilities: about 95 of 100 nights are inside."""
    rng = np.random.default_rng(8)
    inside = np.zeros(2)
    for _ in range(100):
        chances = rng.beta(0.3, 2, 400)
        passed = chances >= 0.2
        labels = rng.random(400) < chances
        truth = (labels & passed).sum() / labels.sum(), (labels & passed).sum() / passed.sum()
        found = expect_gate(chances, passed, CALM)
        for number, interval in enumerate((found.recall_interval, found.precision_interval)):
            assert interval is not None
            inside[number] += interval[0] <= truth[number] <= interval[1]
    assert (inside >= 89).all()


def test_the_interval_of_precision_is_that_of_the_poisson_binomial() -> None:
    chances = np.random.default_rng(2).uniform(0.4, 1, 5000)
    found = expect_gate(chances, np.ones(5000, bool), CALM)
    spread = 1.96 * np.sqrt((chances * (1 - chances)).sum()) / 5000
    middle = chances.mean()
    assert found.precision_interval == pytest.approx((middle - spread, middle + spread), abs=5e-4)
    assert found.recall_interval == (1.0, 1.0)


def darker(report_of: str) -> DriftReport:
    night = plant(1)
    images = night.images.copy()
    images[report_of] = 1 - images[report_of] if report_of == "gate_probability" else 5.0
    return compare(profile(changed(night, images=images)), REFERENCE)


@pytest.mark.parametrize("quantity", ["gray_mean", "gate_probability"])
def test_drift_makes_the_estimate_invalid(quantity: str) -> None:
    found = expect_gate(np.array([0.9, 0.1]), np.array([True, False]), darker(quantity))
    assert not found.valid
    assert found.reason.startswith("calibration is in doubt: all pictures: ")
    assert found.recall == pytest.approx(0.9)


def test_what_was_not_compared_is_said() -> None:
    pair = np.array([0.9, 0.1]), np.array([True, False])
    night = plant(1)
    old = changed(night, images=night.images.assign(gray_mean=np.nan))
    columns = ["gray_std", "sharpness", "clipped_dark", "clipped_bright", "black_margin"]
    old = changed(old, images=old.images.assign(**dict.fromkeys(columns, np.nan)))
    found = expect_gate(*pair, compare(profile(old), REFERENCE))
    assert (found.valid, found.reason) == (False, "whether the pictures have changed is not known")
    chosen = make_reference(without_places(plant(100), "camera"), "validation", False)
    found = expect_gate(*pair, compare(profile(night), chosen))
    assert (found.valid, "could not be compared" in found.reason) == (True, True)


@pytest.mark.parametrize("chances", [[], [np.nan, np.nan]])
def test_without_probabilities_nothing_is_promised(chances: list[float]) -> None:
    found = expect_gate(np.array(chances), np.ones(len(chances), bool), CALM)
    assert (found.pictures, found.recall, found.precision) == (0, None, None)
    assert (found.recall_interval, found.precision_interval) == (None, None)
    assert (found.valid, found.reason) == (False, "no picture has a gate probability")


def test_a_night_on_which_nothing_passed_has_no_precision() -> None:
    found = expect_gate(np.array([0.2, 0.1]), np.zeros(2, bool), CALM)
    assert (found.recall, found.precision, found.precision_interval) == (0.0, None, None)


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(DataError, match="probabilities for"):
        expect_gate(np.array([0.5]), np.ones(2, bool), CALM)
    with pytest.raises(DataError, match="between 0 and 1"):
        expect_gate(np.array([1.5]), np.ones(1, bool), CALM)


def test_an_empty_night_is_not_valid() -> None:
    night = plant(1)
    empty = compare(profile(kept(night, night.images["camera"] == "9")), REFERENCE)
    assert not expect_gate(np.array([0.5]), np.array([True]), empty).valid
