"""One form beside Keras: pixels, probabilities, Dice and recall."""

from __future__ import annotations

import numpy as np

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures import run_lengths
from training.export.compare_forms import FormResult, compare


def result(probability: float, *masks: dict[int, str], dice: float | None = 0.5) -> FormResult:
    """Return a result with one picture for each entry of the masks."""
    runs = [{number: run_lengths.parse(text) for number, text in one.items()} for one in masks]
    return FormResult(np.full(len(runs), probability, np.float32), runs, dice, 0.75)


def test_forms_are_compared_pixel_by_pixel() -> None:
    expected = result(0.5, {1: "1 6"}, {2: "1 2"}, {}, dice=0.5)
    found = result(0.75, {1: "3 6"}, {}, {}, dice=0.25)
    measured = compare(CpuPrecision.INT8, expected, found)
    assert measured.pictures == 3
    assert measured.gate_difference == 0.25
    assert measured.segmenter_pixels == (4 + 2) / (8 + 2)
    assert (measured.positives_dice_drop, measured.gate_recall_drop) == (0.25, 0.0)


def test_what_there_is_not_is_not_compared() -> None:
    nothing = FormResult(np.full(2, np.nan, np.float32), [{}, {}], None, None)
    measured = compare(CpuPrecision.BF16, nothing, nothing)
    assert measured.segmenter_pixels == 0.0
    assert measured.gate_difference is None
    assert measured.positives_dice_drop is None
    assert measured.gate_recall_drop is None
