"""Mirrored copies: an answer that depends on the side of the picture is no label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import Manifest, Mirror
from steeldefect.detection.detector import Detector
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import DeviceChoice, Engine, Precision, Runtime, RuntimeChoice
from training.pseudo_labels.evidence import Limit, Limits
from training.pseudo_labels.mirrors import Mirrors, open_without_mirrors

ENGINE = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)
SHAPE = (32, 64)
LIMITS = Limits({1: Limit(0.6), 2: Limit(0.6)}, Limit(0.95), Limit(0.8))
Rule = Callable[[np.ndarray], np.ndarray]


@dataclass
class Ruled(Runtime):
    """A model that a function stands for."""

    rule: Rule
    engine: Engine = ENGINE

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.rule(batch)


def square() -> np.ndarray:
    """Return a dark picture with a bright square, 12 x 12 pixels, in its left half."""
    picture = np.full(SHAPE, 60, np.uint8)
    picture[4:16, 6:18] = 240
    return picture


def everywhere(batch: np.ndarray) -> np.ndarray:
    """Find class 1 where a picture is bright, with probability 0.9."""
    maps = np.zeros((*batch.shape[:3], 2), np.float32)
    maps[..., 0] = 0.9 * (batch[..., 0] > 1)
    return maps


def shrunk(share: float) -> Rule:
    """Find only a part of what is bright in the right half of a picture."""

    def rule(batch: np.ndarray) -> np.ndarray:
        maps = everywhere(batch)
        right = maps[:, :, 32:, 0]
        columns = np.arange(32) < round(32 - 18 + 12 * share)
        right *= columns[np.newaxis, np.newaxis]
        return maps

    return rule


def left_half_alone(batch: np.ndarray) -> np.ndarray:
    maps = everywhere(batch)
    maps[:, :, 32:] = 0
    return maps


def another_class_on_the_right(batch: np.ndarray) -> np.ndarray:
    maps = everywhere(batch)
    maps[:, :, 32:, 1] = maps[:, :, 32:, 0]
    return maps


def gate(*probabilities: float) -> Rule:
    """Answer the four copies: as it is, mirrored horizontally, vertically, in both ways."""
    return lambda batch: np.array(probabilities, np.float32)[: len(batch), np.newaxis]


def mirrors(draft: Any, rule: Rule, answers: Rule | None = None) -> Mirrors:
    manifest: Manifest = draft(gate=answers is not None)
    opened = None if answers is None else Ruled(answers)
    return Mirrors(Detector(manifest, opened, Ruled(rule)), LIMITS)


@pytest.mark.parametrize(
    ("rule", "agrees"),
    [
        (everywhere, True),
        (left_half_alone, False),
        (another_class_on_the_right, False),
        (shrunk(0.75), True),  # pooled Dice: two of three copies have 0.857
        (shrunk(0.42), False),
    ],
)
def test_masks_must_agree(draft: Any, rule: Rule, agrees: bool) -> None:
    label = mirrors(draft, rule).label(square(), "defect", [1])
    assert (label is not None) == agrees


def test_the_mask_is_that_of_the_mean_map(draft: Any) -> None:
    """Where two of four copies find nothing, the mean is 0.45: below the threshold of 0.5."""
    label = mirrors(draft, shrunk(0.75)).label(square(), "defect", [1])
    assert label is not None
    mask = run_lengths.to_mask(label.masks[1], SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[4:16, 9:18] = True
    assert (mask == expected).all()
    assert label.probabilities[1] == pytest.approx(0.9)
    assert label.confidence == pytest.approx(0.9)


def test_a_class_that_the_tables_do_not_name_is_no_agreement(draft: Any) -> None:
    asked = mirrors(draft, everywhere)
    assert asked.label(square(), "defect", [1, 2]) is None
    assert asked.label(square(), "clean", []) is None


def test_a_copy_that_the_gate_stops_has_no_mask(draft: Any) -> None:
    passing = mirrors(draft, everywhere, gate(0.9, 0.8, 0.9, 0.2))
    assert passing.label(square(), "defect", [1]) is not None
    stopping = mirrors(draft, everywhere, gate(0.9, 0.05, 0.9, 0.9))
    assert stopping.label(square(), "defect", [1]) is None


@pytest.mark.parametrize(
    ("probabilities", "confidence"),
    [
        ((0.01, 0.02, 0.03, 0.04), 0.96),
        ((0.01, 0.02, 0.2, 0.01), None),  # a copy passes the gate
        ((0.01, 0.02, 0.09, 0.01), None),  # a copy is near its threshold, 0.1
    ],
)
def test_the_gate_must_stop_all_copies_of_a_clean_picture(
    draft: Any, probabilities: tuple[float, ...], confidence: float | None
) -> None:
    asked = mirrors(draft, everywhere, gate(*probabilities))
    label = asked.label(np.full(SHAPE, 60, np.uint8), "gated", [])
    assert (None if label is None else pytest.approx(label.confidence)) == confidence


@pytest.mark.parametrize(("level", "confidence"), [(0.1, 0.9), (0.24, None), (0.3, None)])
def test_a_segmented_clean_picture_is_far_from_every_threshold(
    draft: Any, level: float, confidence: float | None
) -> None:
    def rule(batch: np.ndarray) -> np.ndarray:
        return np.full((*batch.shape[:3], 2), level, np.float32)

    label = mirrors(draft, rule).label(np.full(SHAPE, 60, np.uint8), "clean", [])
    assert (None if label is None else pytest.approx(label.confidence)) == confidence


def test_a_bundle_that_mirrors_itself_is_asked_without(rule_bundle: Bundle) -> None:
    """Averaged over its own mirrored copies, every answer would agree with itself."""
    segmenter = rule_bundle.manifest.segmenter.model_copy(update={"mirrors": list(Mirror)})
    manifest = rule_bundle.manifest.model_copy(update={"segmenter": segmenter})
    detector = open_without_mirrors(replace(rule_bundle, manifest=manifest))
    assert detector.manifest.segmenter.mirrors == []
