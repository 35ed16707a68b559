"""Test the gate's threshold and temperature: properties, and values from other sources."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steeldefect.bundle.manifest import Gate
from steeldefect.detection.gating import passes, temper
from steeldefect.pictures.preprocessing import Float32, InputSpec, Scaling
from training.calibration.calibrate_gate import calibrate_gate
from training.calibration.gate_threshold import choose_threshold, gate_curve, recall_interval
from training.calibration.temperature import BOUNDS, fit_scale, reliability
from training.recipe import Calibrate

GATE = Gate(input=InputSpec(height=4, width=4, channels=1, scaling=Scaling.UNIT), threshold=0.3)

answers = st.lists(
    st.tuples(st.floats(0, 1, width=32, allow_subnormal=False), st.booleans()),
    min_size=1,
    max_size=40,
)


def arrays(pairs: list[tuple[float, bool]]) -> tuple[Float32, np.ndarray]:
    return (
        np.array([one for one, _ in pairs], np.float32),
        np.array([defective for _, defective in pairs], bool),
    )


def simulate(pictures: int, temperature: float, spread: float = 3.0) -> tuple[Float32, np.ndarray]:
    """Return answers whose logits are too large by the factor `temperature`, with labels."""
    rng = np.random.default_rng(1)
    honest = rng.normal(0, spread, pictures)
    defective = rng.random(pictures) < 1 / (1 + np.exp(-honest))
    return (1 / (1 + np.exp(-honest * temperature))).astype(np.float32), defective


@given(answers, st.floats(0.01, 1))
def test_the_recall_asked_for_is_met_and_no_higher_threshold_meets_it(
    pairs: list[tuple[float, bool]], target: float
) -> None:
    probability, defective = arrays(pairs)
    assume(defective.any())
    threshold = choose_threshold(probability, defective, target)
    gate = GATE.model_copy(update={"threshold": threshold})
    assert passes(gate, probability)[defective].mean() >= target
    higher = np.unique(probability[probability > np.float32(threshold)])
    for other in higher[1:]:  # the lowest of them is the deciding picture's own
        assert (probability[defective] >= other).mean() < target


@pytest.mark.parametrize(
    ("target", "threshold"),
    [
        (0.25, (0.9 + 0.8) / 2),
        (0.26, (0.8 + 0.7) / 2),
        (0.75, (0.5 + 0.1) / 2),  # nothing lies between: midway to the next defective one
        (1.0, 0.1 / 2),  # nothing lies below
    ],
)
def test_the_threshold_lies_midway_to_the_next_lower_picture(
    target: float, threshold: float
) -> None:
    defective, clean = [0.9, 0.8, 0.5, 0.1], [0.7, 0.6]
    probability, truth = arrays([(p, True) for p in defective] + [(p, False) for p in clean])
    assert choose_threshold(probability, truth, target) == pytest.approx(threshold)


def test_no_defective_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="no defective picture"):
        choose_threshold(np.array([0.5], np.float32), np.array([False]), 0.9)


@pytest.mark.parametrize(
    ("passed", "defective", "low", "high"),
    [
        # 0 of n: upper limit 1 - (alpha / 2) ** (1 / n), the "rule of three" made exact
        (0, 10, 0.0, 1 - 0.025 ** (1 / 10)),
        (20, 20, 0.025 ** (1 / 20), 1.0),
        (5, 10, 0.18709, 0.81291),  # as printed in tables
        (1, 10, 0.00253, 0.44502),
        (99, 100, 0.94554, 0.99975),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(
    passed: int, defective: int, low: float, high: float
) -> None:
    assert recall_interval(passed, defective, 0.95) == pytest.approx((low, high), abs=1e-5)


@given(answers)
def test_the_curve_is_what_counting_gives(pairs: list[tuple[float, bool]]) -> None:
    probability, defective = arrays(pairs)
    curve = gate_curve(probability, defective)
    assert curve.threshold.tolist() == sorted(set(probability.tolist()))
    for place, threshold in enumerate(curve.threshold):
        passed = probability >= threshold
        assert curve.recall[place] == (passed[defective].mean() if defective.any() else 1)
        clean = ~defective
        assert curve.clean_recall[place] == ((~passed)[clean].mean() if clean.any() else 1)
        assert curve.precision[place] == pytest.approx(defective[passed].mean())


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 5.0])
def test_a_known_temperature_is_found_and_calibrates(temperature: float) -> None:
    probability, defective = simulate(40_000, temperature, spread=1.5)
    found = fit_scale(probability, defective)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.shift == 0, "none is needed"
    before = reliability(probability, defective).error
    after = reliability(temper(probability, *found), defective).error
    assert after < 0.01
    assert after <= before + 0.002


@pytest.mark.parametrize("shift", [-3.0, 0.5])
def test_a_known_shift_is_found_and_calibrates(shift: float) -> None:
    probability, defective = simulate(40_000, 2.0, spread=1.5)
    shifted = temper(probability, 1.0, -2.0 * shift)  # sigmoid(2 (z - shift)) is what it answers
    found = fit_scale(shifted, defective)
    assert found == pytest.approx((2.0, shift), rel=0.05)
    assert reliability(shifted, defective).error > 0.05
    assert reliability(temper(shifted, *found), defective).error < 0.01


def test_the_greatest_of_many_places_is_shifted_back() -> None:
    rng = np.random.default_rng(3)
    defective = rng.random(2000) < 0.3
    places = rng.normal(-2, 1, (2000, 400))
    places[:, 0] += 4 * defective
    raw = (1 / (1 + np.exp(-places.max(axis=1)))).astype(np.float32)
    half = np.arange(2000) % 2 == 0
    found = fit_scale(raw[half], defective[half])
    assert found.shift < -1
    tempered = temper(raw, *found)
    errors = [reliability(one[~half], defective[~half]).error for one in (raw, tempered)]
    assert errors[1] < 0.2 * errors[0]


def test_a_gate_without_a_fault_on_few_pictures_is_not_taken_for_infallible() -> None:
    probability, defective = arrays([(0.9999, True), (0.0001, False)] * 10)
    scale = fit_scale(probability, defective)
    # ten of ten: 11 of 12 by the rule of succession
    assert temper(probability, *scale)[0] == pytest.approx(11 / 12, abs=1e-3)


def test_a_gate_that_knows_nothing_becomes_as_unsure_as_bounds_allow() -> None:
    probability, defective = arrays(
        [(0.4, True), (0.3, False)] * 20 + [(0.3, True), (0.4, False)] * 20
    )
    assert fit_scale(probability, defective).temperature == pytest.approx(BOUNDS[1], rel=1e-3)


def test_a_gate_on_the_wrong_side_of_a_half_is_shifted() -> None:
    probability, defective = arrays([(0.4, True), (0.3, False)] * 20)
    found = fit_scale(probability, defective)
    assert found.shift > 0
    tempered = temper(probability, *found)
    assert tempered[0] > 0.9
    assert tempered[1] < 0.1


def test_a_temperature_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="both defective and clean"):
        fit_scale(np.array([0.5, 0.6], np.float32), np.array([True, True]))


@given(answers)
def test_bins_hold_every_picture_once_and_equal_answers_together(
    pairs: list[tuple[float, bool]],
) -> None:
    probability, defective = arrays(pairs)
    found = reliability(probability, defective)
    assert found.pictures.sum() == len(pairs)
    assert found.pictures.min() > 0
    assert (np.diff(found.probability) > 0).all()
    assert np.average(found.probability, weights=found.pictures) == pytest.approx(
        probability.mean(), abs=1e-6
    )
    assert 0 <= found.error <= 1


def test_the_calibration_error_is_the_mean_distance() -> None:
    probability, defective = arrays([(0.2, False)] * 6 + [(0.2, True)] * 4 + [(0.9, True)] * 10)
    found = reliability(probability, defective)
    assert found.pictures.tolist() == [10, 10]
    assert found.defective.tolist() == [0.4, 1.0]
    assert found.error == pytest.approx((0.2 + 0.1) / 2)


def test_a_gate_is_calibrated_first_and_cut_then() -> None:
    raw, defective = simulate(3000, 3.0)
    fitted = calibrate_gate(GATE, raw, defective, Calibrate(gate_recall=0.97))
    assert fitted.gate is not None
    assert fitted.gate.temperature == pytest.approx(3, rel=0.1)
    assert np.array_equal(fitted.probability, temper(raw, fitted.gate.temperature))
    passed = passes(fitted.gate, fitted.probability)[defective]
    assert fitted.recall == passed.mean() >= 0.97
    assert passed.mean() < 0.975
    low, high = fitted.interval or (math.nan, math.nan)
    assert low < fitted.recall < high < 1
    before, after = fitted.errors or (math.nan, math.nan)
    assert after < 0.02 < before
    assert fitted.notes == ()


@pytest.mark.parametrize("seed", range(5))
def test_pictures_that_must_pass_do_so_in_a_form_that_rounds(seed: int) -> None:
    raw, defective = simulate(3000, 3.0)
    errors = np.random.default_rng(seed).normal(0, 0.02, len(raw))
    rounded = np.clip(raw + errors, 0, 1).astype(np.float32)
    asked = Calibrate(gate_recall=0.97)
    alone = calibrate_gate(GATE, raw, defective, asked)
    fitted = calibrate_gate(GATE, raw, defective, asked, least=np.fmin(raw, rounded))
    assert fitted.gate is not None
    assert alone.gate is not None
    assert fitted.gate.temperature == alone.gate.temperature
    assert fitted.gate.threshold < alone.gate.threshold
    assert np.array_equal(fitted.probability, alone.probability)  # figures stay those of f32
    for answers in (raw, rounded):
        passed = passes(fitted.gate, temper(answers, fitted.gate.temperature, fitted.gate.shift))
        assert passed[defective].mean() >= 0.97


def test_what_is_not_asked_for_stays() -> None:
    raw, defective = simulate(500, 3.0)
    fitted = calibrate_gate(GATE, raw, defective, Calibrate(gate_recall=None, temperature=False))
    assert fitted.gate == GATE
    assert fitted.probability is raw
    assert fitted.recall == (raw[defective] >= np.float32(0.3)).mean()
    assert fitted.after is None
    assert fitted.errors is not None
    assert fitted.errors[0] == fitted.errors[1]
    assert fitted.notes == ()


def test_a_threshold_that_stays_under_a_new_temperature_is_noted() -> None:
    raw, defective = simulate(500, 3.0)
    fitted = calibrate_gate(GATE, raw, defective, Calibrate(gate_recall=None))
    assert fitted.gate is not None
    assert fitted.gate.threshold == 0.3
    (note,) = fitted.notes
    assert note.startswith("gate.threshold 0.3 was not chosen by a recall")


@pytest.mark.parametrize(
    ("kind", "notes"),
    [
        (False, ["gate temperature stays 1: all 9 v", "gate.threshold stays 0.3: no v"]),
        (True, ["gate temperature stays 1: all 9 v"]),
    ],
)
def test_pictures_of_one_kind_leave_what_they_cannot_tell(kind: bool, notes: list[str]) -> None:
    raw = np.linspace(0.1, 0.9, 9, dtype=np.float32)
    fitted = calibrate_gate(GATE, raw, np.full(9, kind), Calibrate())
    assert len(fitted.notes) == len(notes)
    assert all(note.startswith(start) for note, start in zip(fitted.notes, notes, strict=True))
    assert (fitted.recall, fitted.interval is None) == ((1.0, False) if kind else (None, True))


def test_a_gate_that_no_temperature_fits_keeps_its_answers() -> None:
    raw, defective = arrays([(0.4, True), (0.3, False), (0.3, True), (0.4, False)] * 20)
    fitted = calibrate_gate(GATE, raw, defective, Calibrate())
    assert fitted.gate is not None
    assert (fitted.gate.temperature, fitted.recall) == (1, 1)
    assert fitted.gate.threshold == pytest.approx(0.15)
    (note,) = fitted.notes
    assert note.startswith("gate temperature stays 1: no temperature fits")


def test_without_a_gate_nothing_is_fitted() -> None:
    raw = np.full(3, np.nan, np.float32)
    fitted = calibrate_gate(None, raw, np.array([True, False, True]), Calibrate())
    assert (fitted.gate, fitted.recall, fitted.curve, fitted.errors) == (None, None, None, None)


def test_a_temperature_that_calibrates_worse_is_not_taken() -> None:
    # told apart without a fault and surely: softer answers would be farther from the truth
    raw = np.array([0.02] * 6 + [0.98] * 6, dtype=np.float32)
    defective = np.array([False] * 6 + [True] * 6)
    fitted = calibrate_gate(GATE, raw, defective, Calibrate())
    assert fit_scale(raw, defective).temperature > 1
    assert fitted.gate is not None
    assert fitted.gate.temperature == 1.0
    assert any("would raise the calibration error" in note for note in fitted.notes)
