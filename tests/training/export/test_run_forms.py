"""All forms over the same pictures: each model beside the other one of Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.calibrated import Answering

from steeldefect.bundle.manifest import CpuPrecision, GateMode, Manifest
from steeldefect.detection.detector import Detector
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture, read_dataset
from training.evaluation.run_detector import run_detector
from training.export.run_forms import run_forms

F32, BF16, INT8 = CpuPrecision

Draft = Callable[..., Manifest]


@pytest.fixture(scope="module")
def pictures(learnable: Path) -> tuple[LabelledPicture, ...]:
    """Twenty pictures: more than are in memory at a time."""
    return read_dataset(learnable).pictures[:20]


def brightness(factor: float = 1.0) -> Answering:
    """Return a gate that is the surer, the brighter the brightest pixel is."""
    return Answering(lambda batch: factor * (batch.max(axis=(1, 2, 3)) / 20)[:, None])


def brighter_than(level: float) -> Answering:
    """Return a segmenter that finds class 1 in bright pixels."""

    def answer(batch: Any) -> Any:
        maps = np.zeros((*batch.shape[:3], 2), np.float32)
        maps[..., 0] = batch[..., 0] > level
        return maps

    return Answering(answer)


def detector(manifest: Manifest, gate: Answering, segmenter: Answering) -> Detector:
    return Detector(manifest, gate if manifest.gate else None, segmenter)


def same(masks: list[Any], others: list[Any]) -> bool:
    """Return whether two lists of masks are equal, picture by picture."""
    texts = [
        [{number: run_lengths.to_text(runs) for number, runs in one.items()} for one in part]
        for part in (masks, others)
    ]
    return texts[0] == texts[1]


@pytest.mark.parametrize("mode", list(GateMode))
def test_each_model_runs_beside_the_other_one_of_keras(
    pictures: tuple[LabelledPicture, ...], draft: Draft, mode: GateMode
) -> None:
    plain = draft()
    gate = plain.gate.model_copy(update={"mode": mode, "threshold": 0.16, "soft_area": 800})
    manifest = plain.model_copy(update={"gate": gate})
    keras = detector(manifest, brightness(), brighter_than(1))
    form = detector(manifest, brightness(0.8), brighter_than(-0.35))
    answers = run_forms(keras, {F32: keras, INT8: form}, pictures)

    expected = run_detector(keras, pictures)
    assert same(answers.keras.masks, [one.masks for one in expected])
    assert answers.keras.probability == [one.probability for one in expected]
    assert answers.passed == sum(one.passed for one in expected)
    assert same(answers.forms[F32].gate.masks, answers.keras.masks)
    assert same(answers.forms[F32].segmenter.masks, answers.keras.masks)

    mixed = detector(manifest, brightness(0.8), brighter_than(1))
    by_gate = run_detector(mixed, pictures)
    assert answers.forms[INT8].gate.probability == [one.probability for one in by_gate]
    assert same(answers.forms[INT8].gate.masks, [one.masks for one in by_gate])
    mixed = detector(manifest, brightness(), brighter_than(-0.35))
    by_segmenter = run_detector(mixed, pictures)
    assert same(answers.forms[INT8].segmenter.masks, [one.masks for one in by_segmenter])
    assert not same(answers.forms[INT8].gate.masks, answers.keras.masks)
    assert not same(answers.forms[INT8].segmenter.masks, answers.keras.masks)


def test_a_gate_that_passes_more_than_keras_shows_what_keras_would_find(
    pictures: tuple[LabelledPicture, ...], draft: Draft
) -> None:
    shut, opened = Answering(lambda batch: np.zeros((len(batch), 1))), brightness()
    keras = detector(draft(), shut, brighter_than(1))
    form = detector(draft(), opened, brighter_than(1))
    answers = run_forms(keras, {INT8: form}, pictures)
    assert not any(answers.keras.masks)
    assert answers.passed == 0
    found = run_detector(detector(draft(), opened, brighter_than(1)), pictures)
    assert same(answers.forms[INT8].gate.masks, [one.masks for one in found])
    assert any(answers.forms[INT8].gate.masks)


def test_a_form_that_fails_is_given_up(pictures: tuple[LabelledPicture, ...], draft: Draft) -> None:
    calls: list[int] = []

    def fail_later(batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) > 1:
            raise RuntimeError("no kernel")
        return brightness().rule(batch)

    keras = detector(draft(), brightness(), brighter_than(1))
    nan = Answering(lambda batch: np.full((len(batch), 1), np.nan))
    forms = {
        F32: keras,
        BF16: detector(draft(), nan, brighter_than(1)),
        INT8: detector(draft(), Answering(fail_later), brighter_than(1)),
    }
    answers = run_forms(keras, forms, pictures)
    assert answers.failed == {BF16: "the gate's answer is not finite", INT8: "no kernel"}
    assert set(answers.forms) == {F32}
    assert len(answers.forms[F32].gate.masks) == len(answers.keras.masks) == len(pictures)


def test_f32_must_not_fail(pictures: tuple[LabelledPicture, ...], draft: Draft) -> None:
    keras = detector(draft(), brightness(), brighter_than(1))
    nan = Answering(lambda batch: np.full((*batch.shape[:3], 2), np.nan))
    with pytest.raises(InferenceError, match="not finite"):
        run_forms(keras, {F32: detector(draft(), brightness(), nan)}, pictures)


def test_without_a_gate_all_pictures_pass(
    pictures: tuple[LabelledPicture, ...], draft: Draft
) -> None:
    keras = detector(draft(False), brightness(), brighter_than(1))
    answers = run_forms(keras, {F32: keras}, pictures)
    assert answers.passed == len(pictures)
    assert np.isnan(answers.keras.probability).all()
    assert same(answers.forms[F32].segmenter.masks, answers.keras.masks)
