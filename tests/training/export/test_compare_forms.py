"""One model of a form beside Keras: pixels, probabilities, Dice and recall."""

from __future__ import annotations

from pathlib import Path

import pytest

from steeldefect.bundle.manifest import Gate
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.data.dataset import LabelledPicture
from training.export.compare_forms import compare_gate, compare_segmenter
from training.export.run_forms import Answers

GATE = Gate(input=InputSpec(height=32, width=64, channels=1, scaling=Scaling.UNIT), threshold=0.5)

Texts = dict[int, str]


def picture(number: int, truth: Texts, defective: bool | None = None) -> LabelledPicture:
    """Return a picture that is never read."""
    runs = {one: run_lengths.parse(text) for one, text in truth.items()}
    shown = bool(truth) if defective is None else defective
    return LabelledPicture(f"{number}", Path("none"), (8, 8), shown, runs, f"{number}")


def answers(*masks: Texts, probability: list[float] | None = None) -> Answers:
    """Return the answers to one picture for each entry of the masks."""
    runs = [{number: run_lengths.parse(text) for number, text in one.items()} for one in masks]
    return Answers(probability or [1.0] * len(runs), runs)


def test_masks_are_compared_pixel_by_pixel() -> None:
    pictures = [picture(0, {1: "1 6"}), picture(1, {2: "1 2"}), picture(2, {})]
    keras = answers({1: "1 6"}, {2: "1 2"}, {})
    found = answers({1: "3 6"}, {}, {})
    figures = compare_segmenter(pictures, [1, 2], keras, found)
    assert figures.differing == (4 + 2) / (8 + 2)
    assert figures.mask_dice == 2 * 4 / (6 + 6 + 2)
    assert figures.drop.value == pytest.approx(((1 - 8 / 12) + (1 - 0)) / 2)
    assert figures.drop.groups == 2  # pictures with a true mask


def test_errors_that_cancel_on_the_truth_still_differ() -> None:
    pictures = [picture(0, {1: "1 10"})]
    figures = compare_segmenter(pictures, [1], answers({1: "1 5"}), answers({1: "6 5"}))
    assert figures.drop.value == 0
    assert figures.mask_dice == 0


def test_classes_that_the_bundle_lacks_are_no_truth() -> None:
    figures = compare_segmenter([picture(0, {9: "1 2"})], [1], answers({}), answers({}))
    assert (figures.drop.value, figures.drop.groups) == (None, 0)
    assert (figures.mask_dice, figures.differing) == (None, 0.0)


def test_gates_are_compared_by_recall_probability_and_masks() -> None:
    pictures = [picture(0, {1: "1 6"}), picture(1, {}, defective=True), picture(2, {})]
    keras = answers({1: "1 6"}, {1: "1 4"}, {}, probability=[0.9, 0.6, 0.1])
    found = answers({1: "1 6"}, {}, {}, probability=[0.8, 0.45, 0.3])
    figures = compare_gate(GATE, pictures, keras, found)
    assert figures.drop.value == 0.5  # one of two defective pictures
    assert figures.drop.groups == 2
    assert figures.gate_difference == pytest.approx(0.2)
    assert figures.mask_dice == 12 / 16
