"""Test guarantees: exact numbers, thresholds by order statistics, and coverage by simulation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from support.calibrated import class_sweep, no_gate

from steeldefect.bundle import manifest
from steeldefect.bundle.manifest import Gate, GateMode, Manifest
from steeldefect.detection import gating
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32, InputSpec, Scaling
from training.calibration.calibrate import Calibrated, calibrate
from training.calibration.guarantee import allowed_misses, needed_groups, upper_bound
from training.calibration.guarantee_classes import guarantee_class
from training.calibration.guarantee_gate import guarantee_gate
from training.calibration.guarantee_halves import guarantee_halves
from training.calibration.measure import THRESHOLDS, Measured
from training.calibration.sweep import GateEffect
from training.data.dataset import LabelledPicture
from training.recipe import Calibrate, Guarantee

GATE = Gate(input=InputSpec(height=4, width=4, channels=1, scaling=Scaling.UNIT), threshold=0.5)
WANTED = Guarantee(missed=0.1, confidence=0.8)
SIZE = (100, 100)
FAR = 3.5  # standard deviations: a sound simulation fails such a test once in 4,000 times

shares = st.floats(0.01, 0.5)
confidences = st.floats(0.5, 0.99)


# -- numbers of groups ----------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 300), shares, confidences)
def test_so_many_may_be_missed_as_keep_the_exact_bound_below_the_share(
    groups: int, missed: float, confidence: float
) -> None:
    allowed = allowed_misses(groups, missed, confidence)
    largest = -1 if allowed is None else allowed
    for count in {0, max(largest, 0), largest + 1, groups}:
        # a one-sided bound is the end of a two-sided interval with twice the error
        interval = binomtest(count, groups).proportion_ci(2 * confidence - 1, method="exact")
        if abs(interval.high - missed) > 1e-9:
            assert (interval.high <= missed) == (count <= largest)
        assert upper_bound(count, groups, confidence) == pytest.approx(interval.high)


@pytest.mark.parametrize(
    ("missed", "confidence", "groups"),
    [(0.05, 0.9, 45), (0.01, 0.95, 299), (0.1, 0.9, 22), (0.5, 0.5, 1), (0.1, 0.19, 2)],
)
def test_the_number_that_suffices_is_the_first(
    missed: float, confidence: float, groups: int
) -> None:
    assert needed_groups(missed, confidence) == groups
    assert allowed_misses(groups, missed, confidence) is not None
    assert groups == 1 or allowed_misses(groups - 1, missed, confidence) is None


@given(shares, confidences)
def test_the_number_that_suffices_agrees_with_the_misses_allowed(
    missed: float, confidence: float
) -> None:
    groups = needed_groups(missed, confidence)
    assert allowed_misses(groups, missed, confidence) is not None
    assert allowed_misses(groups - 1, missed, confidence) is None


def test_no_groups_prove_nothing() -> None:
    assert allowed_misses(0, 0.5, 0.5) is None
    assert upper_bound(0, 0, 0.9) == 1


# -- the gate -------------------------------------------------------------------------------------


def of_gate(
    probability: Float32, groups: list[str], wanted: Guarantee = WANTED, *, lower_only: bool = False
) -> tuple[Gate, manifest.Guarantee]:
    """Guarantee a gate; pictures whose group begins with `clean` are clean."""
    defective = np.array([not one.startswith("clean") for one in groups])
    return guarantee_gate(GATE, probability, defective, groups, wanted, lower_only=lower_only)


def test_the_threshold_is_an_order_statistic_and_lies_midway() -> None:
    # of 30 groups, 1 may be missed with 10% and 80%: 0.9^30 + 30 x 0.1 x 0.9^29 = 0.184
    probability = np.linspace(0.3, 0.88, 30, dtype=np.float32)
    names = [f"g{number}" for number in range(30)]
    gate, record = of_gate(probability, names)
    assert gate.threshold == pytest.approx((probability[0] + probability[1]) / 2)
    assert record == manifest.Guarantee(
        missed=0.1,
        confidence=0.8,
        groups=30,
        missed_groups=1,
        needed_groups=16,
        threshold=gate.threshold,
        held=True,
    )
    # a clean picture between the two is the next lower one
    between = np.append(probability, np.float32(0.315))
    gate, _ = of_gate(between, [*names, "clean"])
    assert gate.threshold == pytest.approx((0.315 + probability[1]) / 2)


def test_a_lower_threshold_is_kept_only_if_it_was_chosen() -> None:
    probability = np.linspace(0.6, 0.89, 30, dtype=np.float32)
    names = [f"g{number}" for number in range(30)]
    kept, record = of_gate(probability, names, lower_only=True)
    assert kept.threshold == GATE.threshold
    assert record.threshold == pytest.approx((probability[0] + probability[1]) / 2)
    assert (record.held, record.missed_groups) == (True, 0)
    lowered, _ = of_gate(probability - np.float32(0.4), names, lower_only=True)
    assert lowered.threshold == pytest.approx((probability[0] + probability[1]) / 2 - 0.4)


def test_pictures_of_a_group_count_as_one_and_the_worst_decides() -> None:
    probability = np.linspace(0.3, 0.88, 30, dtype=np.float32)
    names = [f"g{number}" for number in range(30)]
    alone = of_gate(probability, names)
    better = np.minimum(probability + np.float32(0.1), 1)
    together = of_gate(np.concatenate([better, probability, better]), [*names, *names, *names])
    assert together[1].groups == 30
    assert together[1].missed_groups == alone[1].missed_groups == 1
    # as 90 groups, six might be missed
    apart = of_gate(
        np.concatenate([better, probability, better]), [f"p{number}" for number in range(90)]
    )
    assert apart[0].threshold > together[0].threshold


def test_groups_that_tie_pass_together() -> None:
    probability = np.array([0.2] * 5 + [0.7] * 25, np.float32)
    gate, record = of_gate(probability, [f"g{number}" for number in range(30)])
    # one may be missed, but five have the same probability
    assert gate.threshold == pytest.approx(0.1)
    assert record.missed_groups == 0


def test_too_few_groups_change_nothing_and_say_how_many_suffice() -> None:
    probability = np.full(15, 0.1, np.float32)
    gate, record = of_gate(probability, [f"g{number}" for number in range(15)])
    assert gate == GATE
    assert (record.held, record.threshold, record.needed_groups) == (False, None, 16)
    assert (record.groups, record.missed_groups) == (15, 15)
    held, record = of_gate(np.full(16, 0.1, np.float32), [f"g{number}" for number in range(16)])
    assert (record.held, record.missed_groups) == (True, 0)
    assert held.threshold < 0.1


def test_a_gate_without_defective_pictures_has_no_guarantee() -> None:
    gate, record = of_gate(np.full(40, 0.3, np.float32), ["clean"] * 40)
    assert gate == GATE
    assert (record.held, record.groups) == (False, 0)


def test_the_gates_guarantee_is_wrong_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(3)
    runs, groups, clean = 1500, 60, 400
    wrong = 0
    for _ in range(runs):
        sizes = rng.integers(1, 4, groups)
        names = np.repeat([f"g{number}" for number in range(groups)], sizes).tolist()
        # pictures of a group are alike: a part of them even equal
        probability = np.repeat(rng.random(groups), sizes)
        other = rng.random(len(names)) < 0.5
        probability[other] = rng.random(int(other.sum()))
        every = np.concatenate([probability, rng.random(clean)]).astype(np.float32)
        gate, record = of_gate(every, [*names, *(f"clean{number}" for number in range(clean))])
        assert record.held
        wrong += _missed_share(gate.threshold) > WANTED.missed
    error = binom.cdf(allowed_misses(groups, 0.1, 0.8), groups, 0.1)
    assert error <= 0.2
    spread = math.sqrt(error * (1 - error) / runs)
    # the threshold is the largest one: it fails nearly as often as it may
    assert error - FAR * spread - 0.03 < wrong / runs < error + FAR * spread


def _missed_share(threshold: float) -> float:
    """Compute the true share of groups of the simulation whose worst picture is below."""
    # of s pictures, j have values of their own, each with probability 1/2; the others share one
    total = 0.0
    for size in (1, 2, 3):
        for own in range(size + 1):
            values = own + (own < size)
            total += binom.pmf(own, size, 0.5) * (1 - (1 - threshold) ** values) / 3
    return total


# -- classes --------------------------------------------------------------------------------------


def of_class(
    cuts: dict[float, int],
    groups: list[str] | None = None,
    *,
    min_area: int = 0,
    effect: GateEffect | None = None,
    lower_only: bool = False,
) -> tuple[manifest.DefectClass, manifest.Guarantee]:
    """Guarantee a class on 30 pictures of 100 true pixels, of which the first are not found.

    `cuts` gives the number of pictures that are not found, by threshold; in the others, 50 pixels
    are found.
    """
    found = {
        level: ([0] * lost + [50] * (30 - lost), [0] * lost + [50] * (30 - lost))
        for level, lost in cuts.items()
    }
    sweep = class_sweep([100] * 30, found)
    chosen = sweep.defect_class.model_copy(update={"min_area": min_area})
    names = groups or [f"g{number}" for number in range(30)]
    return guarantee_class(
        sweep, chosen, effect or no_gate(30), names, WANTED, lower_only=lower_only
    )


def test_the_largest_pixel_threshold_that_misses_few_is_taken() -> None:
    cuts = {0.3: 0, 0.5: 1, 0.7: 1, 0.8: 2, 0.9: 9}
    found, record = of_class(cuts)
    assert (found.pixel_threshold, record.threshold, record.missed_groups) == (0.7, 0.7, 1)
    assert (record.held, record.groups, record.class_id) == (True, 30, 1)
    kept, record = of_class(cuts, lower_only=True)
    assert (kept.pixel_threshold, record.threshold) == (0.5, 0.7)
    lowered, _ = of_class({0.3: 1, 0.5: 2, 0.7: 2}, lower_only=True)
    assert lowered.pixel_threshold == 0.3


def test_a_class_that_no_threshold_finds_keeps_its_own() -> None:
    found, record = of_class({0.3: 2, 0.5: 4})
    assert (found.pixel_threshold, record.held, record.threshold) == (0.5, False, None)
    assert record.missed_groups == 4


def test_minimum_area_and_gate_count_as_misses() -> None:
    assert of_class({0.5: 0}, min_area=50)[1].held
    _, record = of_class({0.5: 0}, min_area=51)
    assert (record.held, record.missed_groups) == (False, 30)
    stopped = GateEffect(np.arange(30) < 3, np.zeros(30, np.int64))
    _, record = of_class({0.5: 0}, effect=stopped)
    assert (record.held, record.missed_groups) == (False, 3)
    soft = GateEffect(np.zeros(30, bool), np.where(np.arange(30) < 1, 60, 0))
    assert of_class({0.5: 0}, effect=soft)[1].missed_groups == 1


def test_a_mask_beside_the_defect_is_a_miss() -> None:
    sweep = class_sweep([100] * 30, {0.5: ([50] * 30, [0] * 29 + [1])})
    names = [f"g{number}" for number in range(30)]
    args = (sweep, sweep.defect_class, no_gate(30), names, WANTED)
    assert guarantee_class(*args, lower_only=True)[1].missed_groups == 29


def test_a_class_counts_groups_too() -> None:
    pairs = [f"g{number // 2}" for number in range(30)]
    _, record = of_class({0.5: 2}, pairs)
    # both missed pictures are of one group; but 15 groups are too few for any guarantee
    assert (record.groups, record.missed_groups, record.held) == (15, 1, False)


def test_pictures_without_the_class_do_not_count() -> None:
    sweep = class_sweep([100] * 20 + [0] * 500, {0.5: ([50] * 520, [50] * 20 + [0] * 500)})
    names = [f"g{number}" for number in range(520)]
    args = (sweep, sweep.defect_class, no_gate(520), names, WANTED)
    assert guarantee_class(*args, lower_only=True)[1].groups == 20


# -- halves, and the whole calibration ------------------------------------------------------------


def picture(number: int, runs: dict[int, run_lengths.Runs], group: str) -> LabelledPicture:
    """Return a picture that is never read."""
    return LabelledPicture(f"{number}.png", Path("none"), SIZE, bool(runs), runs, group)


ONE_RUN = run_lengths.parse("1 100")


def test_halves_keep_groups_whole_and_do_not_depend_on_the_order() -> None:
    pictures = [picture(n, {1: ONE_RUN}, f"coil{n // 3}") for n in range(240)]
    halves = guarantee_halves(pictures, [1], 0.1, 0.8)
    assert (halves.choosing == ~halves.proving).all()
    proving = {one.group for one, proves in zip(pictures, halves.proving, strict=True) if proves}
    choosing = {
        one.group for one, chooses in zip(pictures, halves.choosing, strict=True) if chooses
    }
    assert (len(proving), len(choosing), proving & choosing) == (40, 40, set())
    again = guarantee_halves(pictures[::-1], [1], 0.1, 0.8)
    assert (again.proving[::-1] == halves.proving).all()


def test_all_pictures_choose_if_no_class_can_be_proven() -> None:
    pictures = [picture(n, {1: ONE_RUN}, f"g{n}") for n in range(31)]
    halves = guarantee_halves(pictures, [1, 2], 0.1, 0.8)
    assert halves.choosing.all()
    assert halves.proving.sum() == 15
    enough = [*pictures, picture(31, {1: ONE_RUN}, "g31")]
    assert not guarantee_halves(enough, [1, 2], 0.1, 0.8).choosing.all()


class Population:
    """Groups of one picture each, from which a simulation draws validation parts.

    Every second picture shows class 1. The gate and the segmenter are unsure of the same pictures.
    """

    size = 40_000

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.shown = np.arange(self.size) % 2 == 0
        ease = rng.normal(0, 1, self.size)
        logits = np.where(self.shown, 3.0, -1.0) + ease + rng.normal(0, 1, self.size)
        self.gate = (1 / (1 + np.exp(-logits))).astype(np.float32)
        true = np.where(self.shown, rng.integers(20, 400, self.size), 0)
        peak = 1 / (1 + np.exp(-2.0 - 1.5 * ease - rng.normal(0, 1, self.size)))
        part = np.clip(1.2 * (1 - np.array(THRESHOLDS) / peak[:, np.newaxis]), 0, 1)
        self.truth = true
        self.tp = np.floor(true[:, np.newaxis] * part).astype(np.int64)
        false = rng.integers(0, 200, self.size) * (rng.random(self.size) < 0.4)
        wrong = np.clip(1 - np.array(THRESHOLDS) * rng.uniform(0.8, 2, (self.size, 1)), 0, 1)
        self.area = self.tp + np.floor(false[:, np.newaxis] * wrong).astype(np.int64)

    def drawn(self, rng: np.random.Generator, count: int) -> tuple[Measured, list[LabelledPicture]]:
        """Return the answers for some pictures, and the pictures."""
        chosen = rng.choice(self.size, count, replace=False)
        steps = len(THRESHOLDS)
        sweep = pd.DataFrame(
            {
                "picture": np.repeat(np.arange(count), steps),
                "class_id": 1,
                "threshold": np.tile(THRESHOLDS, count),
                "seed": np.nan,
                "area": self.area[chosen].ravel(),
                "tp": self.tp[chosen].ravel(),
                "truth": np.repeat(self.truth[chosen], steps),
            }
        )
        pictures = [
            picture(n, {1: ONE_RUN} if self.shown[n] else {}, f"g{n}") for n in chosen.tolist()
        ]
        return Measured(self.gate[chosen], sweep), pictures

    def missed(self, found: Manifest) -> tuple[float, float]:
        """Return the true shares that the gate misses, and that gate and class miss."""
        assert found.gate is not None
        (one,) = found.classes
        probability = gating.temper(self.gate[self.shown], found.gate.temperature)
        stopped = ~gating.reaches_threshold(found.gate, probability)
        added = gating.added_area(found.gate, probability)
        place = THRESHOLDS.index(one.pixel_threshold)
        area, tp = self.area[self.shown, place], self.tp[self.shown, place]
        lost = (tp == 0) | (area < one.min_area + added)
        hard = found.gate.mode is GateMode.HARD
        return float(stopped.mean()), float(((stopped & hard) | lost).mean())


@pytest.mark.parametrize("recall", [0.99, None])
def test_both_guarantees_of_a_calibration_are_wrong_no_more_often_than_they_say(
    draft: object, recall: float | None
) -> None:
    population, rng = Population(), np.random.default_rng(7)
    made: Manifest = draft(classes=1)  # type: ignore[operator]
    wanted = Guarantee(missed=0.2, confidence=0.8)
    asked = Calibrate(gate_recall=recall, guarantee=wanted, temperature=False)
    runs, wrong, held = 200, np.zeros(2), np.zeros(2)
    for _ in range(runs):
        done = calibrate(*_arguments(population, rng, made), asked)
        gate, of_class_ = _guarantees(done)
        shares = population.missed(done.manifest)
        for place, record in enumerate((gate, of_class_)):
            held[place] += record.held
            wrong[place] += record.held and shares[place] > wanted.missed
    assert held[0] == runs
    assert held[1] > runs / 5, "a guarantee that never holds would prove nothing"
    spread = math.sqrt(0.2 * 0.8 / runs)
    assert (wrong / runs < 0.2 + FAR * spread).all()
    if recall is None:
        assert wrong[0] / runs > 0.05, "the gate's threshold is the largest one"


def _arguments(
    population: Population, rng: np.random.Generator, made: Manifest
) -> tuple[Measured, Manifest, list[LabelledPicture]]:
    measured, pictures = population.drawn(rng, 240)
    return measured, made, pictures


def _guarantees(done: Calibrated) -> list[manifest.Guarantee]:
    assert done.manifest.calibration is not None
    return done.manifest.calibration.guarantees


def calibrated(draft: object, count: int, asked: Calibrate) -> Calibrated:
    measured, pictures = Population().drawn(np.random.default_rng(1), count)
    made: Manifest = draft(classes=1)  # type: ignore[operator]
    return calibrate(measured, made, pictures, asked)


def test_what_is_asked_for_is_recorded_and_the_format_rises(draft: object) -> None:
    asked = Calibrate(guarantee=Guarantee(missed=0.3, confidence=0.8), temperature=False)
    done = calibrated(draft, 240, asked)
    gate, of_class_ = _guarantees(done)
    assert (gate.class_id, of_class_.class_id) == (None, 1)
    assert gate.held
    assert of_class_.held
    assert done.manifest.format_version == 5
    assert Manifest.model_validate_json(done.manifest.model_dump_json()) == done.manifest
    assert done.manifest.gate is not None
    assert gate.threshold is not None
    assert done.manifest.gate.threshold <= gate.threshold
    assert of_class_.threshold is not None
    assert done.manifest.classes[0].pixel_threshold <= of_class_.threshold
    (note,) = (one for one in done.notes if "tested the guarantees" in one)
    assert note.startswith("120 validation pictures chose the thresholds, the other 120")


def test_too_few_groups_leave_the_ordinary_calibration(draft: object) -> None:
    ordinary = calibrated(draft, 60, Calibrate())
    asked = Calibrate(guarantee=Guarantee(missed=0.01, confidence=0.9))
    done = calibrated(draft, 60, asked)
    assert (done.manifest.gate, done.manifest.classes) == (
        ordinary.manifest.gate,
        ordinary.manifest.classes,
    )
    gate, of_class_ = _guarantees(done)
    assert not gate.held
    assert not of_class_.held
    assert gate.needed_groups == of_class_.needed_groups == 230
    assert done.notes[-2:] == (
        f"gate: no guarantee that at most 1% of the groups are missed, with confidence 90%: "
        f"{gate.groups} groups of defective validation pictures test it; 230 suffice if none of "
        "them is missed; the ordinary calibration stands",
        f"class 1 (c1): no guarantee that at most 1% of the groups are missed, with confidence "
        f"90%: {of_class_.groups} groups that show it are in the half of the validation part that "
        "tests guarantees; 230 suffice if none of them is missed; the ordinary calibration stands",
    )


def test_a_class_that_is_missed_too_often_says_so(draft: object) -> None:
    asked = Calibrate(guarantee=Guarantee(missed=0.02, confidence=0.6))
    done = calibrated(draft, 240, asked)
    _, of_class_ = _guarantees(done)
    assert not of_class_.held
    assert of_class_.groups >= of_class_.needed_groups
    assert f"of {of_class_.groups} groups are missed; the ordinary" in done.notes[-1]


def test_nothing_asked_for_is_nothing_recorded(draft: object) -> None:
    done = calibrated(draft, 240, Calibrate(temperature=False))
    assert _guarantees(done) == []
    assert done.manifest.format_version == 3
    assert "guarantees" not in done.manifest.model_dump_json()
