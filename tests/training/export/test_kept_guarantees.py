"""A form that misses more than a guarantee allows is named, model by model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.files import ModelName
from steeldefect.bundle.manifest import Calibration, CpuPrecision, Guarantee, Manifest
from steeldefect.pictures import run_lengths
from training.calibration.guarantee_halves import guarantee_halves
from training.data.dataset import LabelledPicture
from training.export.accept_precision import judge
from training.export.kept_guarantees import broken_guarantees
from training.export.run_forms import AllAnswers, Answers, FormAnswers
from training.recipe import Compile

Draft = Callable[..., Manifest]
F32, BF16, INT8 = CpuPrecision
PICTURES = 80
RUNS = run_lengths.parse("1 100")
BESIDE = run_lengths.parse("500 100")
ALL = [
    LabelledPicture(f"{n}", Path("none"), (32, 64), True, {1: RUNS}, f"g{n}")
    for n in range(PICTURES)
]
HALVES = guarantee_halves(ALL, [1, 2], 0.1, 0.8)
CHOOSING, PROVING = np.flatnonzero(HALVES.choosing), np.flatnonzero(HALVES.proving)


def guarantee(class_id: int | None, held: bool = True) -> Guarantee:
    """Return a guarantee that 40 groups test; one may be missed."""
    return Guarantee(
        class_id=class_id,
        missed=0.1,
        confidence=0.8,
        groups=40,
        missed_groups=0,
        needed_groups=16,
        held=held,
    )


@pytest.fixture
def made(draft: Draft) -> Manifest:
    record = Calibration(
        pictures=PICTURES,
        defective=PICTURES,
        objective="balanced",
        guarantees=[guarantee(None), guarantee(1), guarantee(2, held=False)],
    )
    return draft().model_copy(update={"calibration": record})


def answers(stopped: np.ndarray = CHOOSING[:0], lost: np.ndarray = CHOOSING[:0]) -> Answers:
    """Return answers whose gate stops some pictures, and whose masks lie beside in others."""
    probability = np.full(PICTURES, 0.9, np.float32)
    probability[stopped] = 0.01
    masks = [{} if n in stopped else {1: BESIDE if n in lost else RUNS} for n in range(PICTURES)]
    return Answers(probability.tolist(), masks)


def test_as_many_misses_as_allowed_break_nothing(made: Manifest) -> None:
    for one in (answers(), answers(CHOOSING[:1]), answers(lost=PROVING[:1])):
        assert list(broken_guarantees(made, ALL, one)) == []


def test_one_more_breaks_the_guarantee(made: Manifest) -> None:
    assert list(broken_guarantees(made, ALL, answers(CHOOSING[:2]))) == [
        "it misses 2 of 40 groups where the guarantee of the gate allows 1"
    ]
    of_class = "it misses 2 of 40 groups where the guarantee of class 1 allows 1"
    assert list(broken_guarantees(made, ALL, answers(lost=PROVING[:2]))) == [of_class]
    # what the gate stops is missed, too
    assert list(broken_guarantees(made, ALL, answers(PROVING[:2]))) == [of_class]


def test_only_groups_that_tested_a_guarantee_count(made: Manifest) -> None:
    assert list(broken_guarantees(made, ALL, answers(lost=CHOOSING))) == []


def test_without_guarantees_nothing_is_broken(draft: Draft, made: Manifest) -> None:
    everything = answers(np.arange(PICTURES))
    assert list(broken_guarantees(draft(), ALL, everything)) == []
    assert made.calibration is not None
    refused = [one.model_copy(update={"held": False}) for one in made.calibration.guarantees]
    record = made.calibration.model_copy(update={"guarantees": refused})
    other = made.model_copy(update={"calibration": record})
    assert list(broken_guarantees(other, ALL, everything)) == []


def test_a_form_that_breaks_one_is_not_admitted(made: Manifest, draft: Draft) -> None:
    form = FormAnswers(gate=answers(CHOOSING[:2]), segmenter=answers())
    every = AllAnswers(answers(), {BF16: form, F32: form})
    times = {(one, name): 1.0 for one in (BF16, F32) for name in ModelName}
    rule = Compile(max_dice_drop=1, max_recall_drop=1)
    found = judge(BF16, ALL, made, every, times, rule)
    assert found.gate is not None
    assert found.segmenter is not None
    assert not found.gate.admitted
    assert "the guarantee of the gate allows 1" in found.gate.why_not
    assert found.segmenter.admitted
    for other in (
        judge(BF16, ALL, draft(), every, times, rule),
        judge(F32, ALL, made, every, times, rule),
    ):
        assert other.gate is not None
        assert "guarantee" not in other.gate.why_not
