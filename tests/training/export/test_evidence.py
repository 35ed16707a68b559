"""Which forms the evidence admits: intervals, agreement and numbers of pictures."""

from __future__ import annotations

import pytest

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.evaluation.intervals import paired_interval
from training.export.compare_forms import ModelFigures
from training.export.drops import Drop
from training.export.evidence import (
    LEAST_MASK_GROUPS,
    gate_limit,
    least_defective_groups,
    objections,
    segmenter_limit,
)
from training.recipe import Compile

F32, BF16, INT8 = CpuPrecision
RULE = Compile(max_dice_drop=0.005, max_recall_drop=0.002)
MANY = 3000


def figures(
    value: float | None, high: float | None, groups: int = MANY, mask_dice: float | None = 0.99
) -> ModelFigures:
    """Return figures with a drop, the upper end of its interval, and the agreement of masks."""
    interval = None if high is None else (-0.01, high)
    return ModelFigures(Drop(value, interval, groups), mask_dice, 0.01)


def admitted(precision: CpuPrecision, one: ModelFigures) -> bool:
    return not objections(precision, one, segmenter_limit(RULE))


@pytest.mark.parametrize(
    ("one", "int8", "bf16"),
    [
        (figures(0.0, 0.004), True, True),
        (figures(0.005, 0.005), True, True),  # just as much as is allowed
        (figures(-0.01, -0.001), True, True),  # better than Keras
        (figures(-0.0009, 0.006), False, False),  # the interval decides, not the mean
        (figures(0.0051, 0.004), False, False),
        (figures(0.0, 0.004, mask_dice=0.98), True, True),
        (figures(0.0, 0.004, mask_dice=0.9799), False, False),
        (figures(0.0, 0.004, mask_dice=None), False, False),
        (figures(0.0, 0.0, LEAST_MASK_GROUPS), True, True),
        (figures(0.0, 0.0, LEAST_MASK_GROUPS - 1), False, True),  # too few pictures
        (figures(-0.0009, 0.02, 6), False, True),
        (figures(-0.0009, 0.02, 6, mask_dice=0.87), False, False),
        (figures(0.0051, 0.02, 6), False, False),  # too few, and worse
        (figures(None, None, 0), False, True),
    ],
)
def test_what_a_segmenter_must_prove(one: ModelFigures, int8: bool, bf16: bool) -> None:
    assert admitted(INT8, one) is int8
    assert admitted(BF16, one) is bf16
    assert admitted(F32, one)


@pytest.mark.parametrize(
    ("one", "int8", "bf16"),
    [
        (figures(0.0, paired_interval(0, 0, MANY)[1]), True, True),
        (figures(0.0, paired_interval(0, 0, 1000)[1], 1000), False, True),  # too few to tell
        (figures(0.001, paired_interval(1, 0, 1000)[1], 1000), False, True),
        (figures(0.003, paired_interval(3, 0, 1000)[1], 1000), False, False),
        (figures(0.001, paired_interval(3, 0, MANY)[1]), False, False),
    ],
)
def test_what_a_gate_must_prove(one: ModelFigures, int8: bool, bf16: bool) -> None:
    limit = gate_limit(RULE)
    assert (not objections(INT8, one, limit)) is int8
    assert (not objections(BF16, one, limit)) is bf16


@pytest.mark.parametrize("allowed", [0.002, 0.005, 0.01, 0.1])
def test_the_least_number_is_the_first_that_can_tell(allowed: float) -> None:
    least = least_defective_groups(allowed)
    assert least is not None
    assert paired_interval(0, 0, least)[1] <= allowed < paired_interval(0, 0, least - 1)[1]


def test_no_number_tells_that_nothing_at_all_is_lost() -> None:
    assert least_defective_groups(0) is None
    assert least_defective_groups(1) == 1
    never = gate_limit(Compile(max_recall_drop=0))
    assert objections(INT8, figures(0.0, 0.0), never).endswith("of 0.0, no number is enough")
    assert not objections(BF16, figures(0.0, 0.001), never)


def test_every_objection_is_said_with_its_figures() -> None:
    bad = figures(0.012, 0.02, 6, mask_dice=0.8713)
    assert objections(INT8, bad, segmenter_limit(RULE)) == (
        "its masks agree with those of Keras by a pooled Dice of 0.8713, 0.98 is the least and "
        "positives-only Dice drops by 0.0120, 0.005 is allowed and "
        "6 groups of validation pictures with a true mask are too few to tell a drop of "
        "positives-only Dice of 0.005, 72 are the least"
    )
    assert objections(BF16, figures(0.001, 0.0061), segmenter_limit(RULE)) == (
        "positives-only Dice may drop by 0.0061 (95%: -0.0100 to +0.0061), 0.005 is allowed"
    )
    assert objections(INT8, figures(0.0, 0.1, 40), gate_limit(RULE)) == (
        "40 groups of defective validation pictures are too few to tell a drop of gate recall of "
        "0.002, 2,189 are the least"
    )
