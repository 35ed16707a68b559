"""Test the search of pixel thresholds, minimum areas and gate modes: it finds planted optima."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calibrated import class_sweep, no_gate

from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.pictures.preprocessing import Float32, InputSpec, Scaling
from training.calibration.modes import choose_mode
from training.calibration.search import FEWEST_PICTURES, candidate_areas, search
from training.calibration.sweep import ClassSweep, GateEffect, gate_effect, objective_value
from training.recipe import AreaObjective, GateModes

MEAN, POSITIVES, BALANCED = AreaObjective
SPEC = InputSpec(height=4, width=4, channels=1, scaling=Scaling.UNIT)
GATE = Gate(input=SPEC, threshold=0.5)
PIXELS = 100_000
POSITIVE = 6  # pictures that show the class; as many follow that do not
TRUTH = [1000] * POSITIVE + [0] * POSITIVE


def cut(true: int, false: int, outside: int = 0) -> tuple[list[int], list[int]]:
    """Return areas and hits: `true` + `outside` pixels on positives, `false` on the others."""
    areas = [true + outside] * POSITIVE + [false] * POSITIVE
    return areas, [true] * POSITIVE + [0] * POSITIVE


def chosen(sweep: ClassSweep, objective: AreaObjective = BALANCED) -> tuple[float, int]:
    (one,) = search([sweep], no_gate(len(sweep.truth)), objective).classes
    return one.pixel_threshold, one.min_area


@pytest.mark.parametrize("objective", list(AreaObjective))
def test_a_planted_threshold_and_area_are_found(objective: AreaObjective) -> None:
    sweep = class_sweep(
        TRUTH,
        {0.3: cut(1000, 900, outside=2000), 0.5: cut(700, 400), 0.7: cut(950, 300)},
    )
    # at 0.7 outlines are best; what is found falsely there goes at 301 pixels
    area = 0 if objective is POSITIVES else 301
    assert chosen(sweep, objective) == (0.7, area)


def test_of_nearly_equal_thresholds_the_one_nearest_a_half_is_taken() -> None:
    cuts = {0.1: cut(999, 0), 0.4: cut(998, 0), 0.6: cut(998, 0), 0.9: cut(1000, 0)}
    assert chosen(class_sweep(TRUTH, cuts)) == (0.4, 0)
    cuts[0.9] = cut(1000, 0)
    cuts[0.4] = cuts[0.6] = cut(990, 0)
    assert chosen(class_sweep(TRUTH, cuts)) == (0.1, 0)


def test_of_nearly_equal_areas_the_smallest_is_taken() -> None:
    areas, hits = cut(1000, 0)
    areas[-1] = 500  # one false finding of twelve pictures: a gain, and worth an area
    sweep = class_sweep(TRUTH, {0.5: (areas, hits)})
    assert chosen(sweep) == (0.5, 501)
    assert chosen(sweep, POSITIVES) == (0.5, 0)


def test_no_area_exceeds_what_nearly_all_true_masks_reach() -> None:
    truth = [50] + [1000] * (POSITIVE - 1) + [0] * POSITIVE
    areas = [50] + [1000] * (POSITIVE - 1) + [600] * POSITIVE
    sweep = class_sweep(truth, {0.5: (areas, [*areas[:POSITIVE], *[0] * POSITIVE])})
    assert candidate_areas(sweep, 0, no_gate(2 * POSITIVE)) == [0, 50]
    assert chosen(sweep) == (0.5, 0)  # dropping the false findings is not to be had


def test_one_odd_mask_among_many_does_not_forbid_areas() -> None:
    truth = [5] + [1000] * 40 + [0] * 40
    areas = [5] + [1000] * 40 + [600] * 40
    sweep = class_sweep(truth, {0.5: (areas, [*areas[:41], *[0] * 40])})
    assert chosen(sweep) == (0.5, 601)


@pytest.mark.parametrize("shown", range(FEWEST_PICTURES))
def test_a_class_that_few_pictures_show_keeps_its_values(shown: int) -> None:
    truth = [1000] * shown + [0] * 8
    hits = [900] * shown + [0] * 8
    # a lower threshold would find it, but so few pictures do not say so
    cuts = {0.5: ([100] * len(truth), [0] * len(truth)), 0.3: (hits, hits)}
    found = search([class_sweep(truth, cuts, min_area=7)], no_gate(len(truth)), BALANCED)
    assert (found.classes[0].pixel_threshold, found.classes[0].min_area) == (0.5, 7)
    assert found.curves == ()


def test_curves_show_each_threshold_with_its_best_area() -> None:
    sweep = class_sweep(TRUTH, {0.5: cut(600, 400), 0.7: cut(900, 300)})
    (curve,) = search([sweep], no_gate(12), BALANCED).curves
    assert curve.class_id == 1
    assert curve.threshold.tolist() == [0.5, 0.7]
    assert curve.min_area.tolist() == [401, 301]
    dice = [2 * 600 / 1600, 2 * 900 / 1900]
    assert curve.positives_dice == pytest.approx(dice)
    assert curve.objective == pytest.approx([(one + 1) / 2 for one in dice])


def test_classes_are_searched_one_by_one_and_valued_together() -> None:
    good = class_sweep(TRUTH, {0.5: cut(1000, 0), 0.7: cut(500, 0)})
    poor = class_sweep(TRUTH, {0.5: cut(100, 0), 0.7: cut(500, 0)}, class_id=2)
    found = search([good, poor], no_gate(12), MEAN)
    assert [one.pixel_threshold for one in found.classes] == [0.5, 0.7]
    assert found.value == pytest.approx((6 * 1 + 6 * 1000 / 1500 + 12) / 24)


@pytest.mark.parametrize(
    ("objective", "value"), [(MEAN, 0.75), (POSITIVES, 0.5), (BALANCED, (0.5 + 7 / 8) / 2)]
)
def test_objectives_are_what_they_say(objective: AreaObjective, value: float) -> None:
    dice = np.array([0.2, 0.4, 0.6, 0.8] + [1.0] * 7 + [0.0])
    positive = np.arange(12) < 4
    assert objective_value(dice, positive, objective) == pytest.approx(value)


def test_objectives_without_pictures_of_a_kind() -> None:
    dice, none = np.array([0.0, 1.0, 1.0]), np.zeros(3, bool)
    assert objective_value(dice, none, BALANCED) == pytest.approx(2 / 3)
    assert math.isnan(objective_value(dice, none, POSITIVES))
    assert math.isnan(objective_value(dice[:0], none[:0], BALANCED))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_value_swept_does_much_better_than_the_one_chosen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(40) < 0.5, rng.integers(50, 2000, 40), 0)
    truth[:FEWEST_PICTURES] = 500
    cuts = {}
    for threshold in (0.3, 0.5, 0.7):
        hits = (truth * rng.random(40)).astype(int)
        areas = hits + np.where(rng.random(40) < 0.3, rng.integers(0, 600, 40), 0)
        cuts[threshold] = (areas, hits)
    sweep, effect = class_sweep(truth, cuts), no_gate(40)
    found = search([sweep], effect, BALANCED)
    for place in range(3):
        for area in candidate_areas(sweep, place, effect):
            other = objective_value(sweep.dice(place, area, effect), sweep.positive, BALANCED)
            assert other <= found.value + 0.002 + 1e-12


def test_a_threshold_that_was_not_swept_is_refused() -> None:
    sweep = class_sweep(TRUTH, {0.5: cut(1, 0)})
    one = sweep.defect_class
    assert sweep.place_of(one) == 0
    for changed in ({"pixel_threshold": 0.25}, {"seed_threshold": 0.8}):
        with pytest.raises(ValueError, match="were not swept"):
            sweep.place_of(one.model_copy(update=changed))


def test_a_seed_threshold_is_taken_where_it_is_better_alone() -> None:
    # at 0.3 outlines are best, but so much is found falsely as only 0.8 leaves out
    plain = {0.3: cut(990, 2000), 0.5: cut(800, 300), 0.8: cut(500, 0)}
    sweep = class_sweep(TRUTH, plain | {(0.3, 0.5): cut(990, 1500), (0.3, 0.8): cut(990, 0)})
    (one,) = search([sweep], no_gate(len(TRUTH)), BALANCED).classes
    assert (one.pixel_threshold, one.seed_threshold, one.min_area) == (0.3, 0.8, 0)
    (curve,) = search([sweep], no_gate(len(TRUTH)), BALANCED).curves
    assert curve.threshold.tolist() == [0.3, 0.5, 0.8]
    assert curve.objective[0] == pytest.approx((1 + 2 * 990 / 1990) / 2)


def shown_by(positives: int, stricter: tuple[int, int]) -> ClassSweep:
    """Return a sweep of a class that few of 40 pictures show, with false finds at 0.5.

    Args:
        positives: pictures that show it; 800 of 1,000 pixels are found at 0.5.
        stricter: pixels found where it is, and where it is not, with a seed threshold of 0.9.
    """
    others = 40 - positives
    cuts = {
        0.3: ([900] * positives + [500] * others, [900] * positives + [0] * others),
        0.5: ([800] * positives + [300] * others, [800] * positives + [0] * others),
    }
    true, false = stricter
    cuts[(0.5, 0.9)] = ([true] * positives + [false] * others, [true] * positives + [0] * others)
    return class_sweep([1000] * positives + [0] * others, cuts)


@pytest.mark.parametrize(
    ("positives", "stricter", "seed"),
    [
        (4, (800, 0), 0.9),
        (0, (0, 0), 0.9),
        (4, (0, 0), None),  # what is true would be lost
        (4, (800, 300), None),  # nothing gained
    ],
)
def test_a_class_that_few_pictures_show_is_found_less_where_it_is_not(
    positives: int, stricter: tuple[int, int], seed: float | None
) -> None:
    sweep = shown_by(positives, stricter)
    found = search([sweep], no_gate(40), BALANCED)
    assert found.curves == ()
    (one,) = found.classes
    assert (one.pixel_threshold, one.seed_threshold, one.min_area) == (0.5, seed, 0)


def test_a_seed_threshold_that_gains_nothing_is_left_out() -> None:
    cuts = {0.4: cut(990, 0), (0.4, 0.5): cut(991, 0), (0.4, 0.9): cut(991, 0)}
    (one,) = search([class_sweep(TRUTH, cuts)], no_gate(len(TRUTH)), BALANCED).classes
    assert (one.pixel_threshold, one.seed_threshold) == (0.4, None)


def test_a_hard_gate_empties_and_a_soft_one_raises_areas() -> None:
    probability = np.array([0.9, 0.25, 0.0], np.float32)
    hard = gate_effect(GATE, probability)
    assert (hard.stopped.tolist(), hard.added.tolist()) == ([False, True, True], [0, 0, 0])
    soft = gate_effect(
        GATE.model_copy(update={"mode": GateMode.SOFT, "soft_area": 100}), probability
    )
    assert (soft.stopped.tolist(), soft.added.tolist()) == ([False] * 3, [0, 50, 100])
    none = gate_effect(None, probability)
    assert (none.stopped.any(), none.added.any()) == (False, False)
    sweep = class_sweep([100, 100, 0], {0.5: ([90, 90, 60], [90, 90, 0])})
    assert sweep.dice(0, 0, hard).tolist() == pytest.approx([180 / 190, 0, 1])
    assert sweep.dice(0, 41, soft).tolist() == pytest.approx([180 / 190, 0, 1])
    assert sweep.dice(0, 40, soft).tolist() == pytest.approx([180 / 190, 180 / 190, 1])
    assert sweep.dice(0, 0, none).tolist() == pytest.approx([180 / 190, 180 / 190, 0])


def test_what_the_gate_stops_needs_no_least_area() -> None:
    sweep = class_sweep(TRUTH, {0.5: cut(1000, 500)})
    stopped = np.arange(12) >= POSITIVE
    effect = GateEffect(stopped, np.zeros(12, np.int64))
    assert search([sweep], effect, BALANCED).classes[0].min_area == 0
    assert search([sweep], no_gate(12), BALANCED).classes[0].min_area == 501


def unsure(positive: float, negative: float) -> Float32:
    return np.array([positive] * POSITIVE + [negative] * POSITIVE, np.float32)


# half of the positives lie under the threshold, large all of them; false findings are small
SAVED = class_sweep(TRUTH, {0.5: ([1000] * 6 + [300] * 6, [1000] * 6 + [0] * 6)})
HALF_MISSED = np.array([0.9] * 3 + [0.3] * 3 + [0.01] * 6, np.float32)


def modes(
    sweep: ClassSweep, probability: Float32, wanted: GateModes, objective: AreaObjective | None
) -> tuple[Gate, float, str]:
    mode, note = choose_mode([sweep], GATE, probability, PIXELS, wanted, objective)
    assert mode.gate is not None
    return mode.gate, mode.searched.value, note


def test_the_soft_gate_is_taken_where_it_saves_defects() -> None:
    gate, value, note = modes(SAVED, HALF_MISSED, GateModes.BEST, MEAN)
    assert gate.mode is GateMode.SOFT
    assert value == 1
    assert note == (
        f"gate modes by mean_dice on the validation part: hard 0.7500, soft 1.0000 (soft area "
        f"{gate.soft_area})"
    )
    hard, value, note = modes(SAVED, HALF_MISSED, GateModes.HARD, MEAN)
    assert (hard.mode, hard.soft_area, value, note) == (GateMode.HARD, 0, 0.75, "")


def test_ties_go_to_the_hard_gate() -> None:
    sure = unsure(0.9, 0.1)
    gate, value, _ = modes(SAVED, sure, GateModes.BEST, BALANCED)
    assert (gate.mode, value) == (GateMode.HARD, 1)
    gate, value, _ = modes(SAVED, sure, GateModes.SOFT, BALANCED)
    assert (gate.mode, value) == (GateMode.SOFT, 1)


def test_the_smallest_soft_area_that_does_is_taken() -> None:
    # false findings are as large as the defects: only the gate tells them apart
    sweep = class_sweep(TRUTH, {0.5: ([1000] * 12, [1000] * 6 + [0] * 6)})
    gate, value, _ = modes(sweep, unsure(0.45, 0.2), GateModes.BEST, None)
    # three fifths are added at 0.2, a tenth at 0.45: of 1000, 3000, 10000 only the second does
    assert (gate.mode, gate.soft_area, value) == (GateMode.SOFT, 3000, 1)


def test_without_an_objective_the_classes_stay_and_only_the_soft_area_is_chosen() -> None:
    sweep = class_sweep(TRUTH, {0.5: ([1000] * 6 + [300] * 6, [1000] * 6 + [0] * 6)}, min_area=3)
    mode, note = choose_mode([sweep], GATE, HALF_MISSED, PIXELS, GateModes.BEST, None)
    assert mode.searched.classes == (sweep.defect_class,)
    assert mode.searched.curves == ()
    assert mode.gate is not None
    assert (mode.gate.mode, mode.gate.soft_area) == (GateMode.SOFT, 1000)
    assert "balanced" in note


def test_without_a_gate_there_is_no_mode_to_choose() -> None:
    nothing = np.full(12, np.nan, np.float32)
    mode, note = choose_mode([SAVED], None, nothing, PIXELS, GateModes.BEST, BALANCED)
    assert (mode.gate, note) == (None, "")
    assert mode.searched.classes[0].min_area == 301


def test_a_whole_validation_part_is_searched_in_seconds() -> None:
    rng = np.random.default_rng(0)
    pictures, thresholds = 2000, [round(0.1 * step, 1) for step in range(1, 10)]
    sweeps = []
    for class_id in range(1, 5):
        truth = np.where(rng.random(pictures) < 0.2, rng.integers(100, 20_000, pictures), 0)
        cuts = {}
        for threshold in thresholds:
            hits = (truth * rng.random(pictures)).astype(int)
            areas = hits + np.where(rng.random(pictures) < 0.3, rng.integers(0, 900, pictures), 0)
            cuts[threshold] = (areas, hits)
        sweeps.append(class_sweep(truth, cuts, class_id))
    probability = rng.random(pictures).astype(np.float32)
    began = time.process_time()
    choose_mode(sweeps, GATE, probability, 409_600, GateModes.BEST, BALANCED)
    assert time.process_time() - began < 5
