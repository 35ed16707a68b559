"""Run the models of one form over labelled pictures, and compare them with the Keras models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steeldefect.bundle.manifest import CompiledForm, CpuPrecision, Manifest
from steeldefect.detection.detector import Detector
from steeldefect.detection.gating import reaches_threshold
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import Masks, run_detector

_NO_RUNS = run_lengths.parse("")


@dataclass(frozen=True)
class FormResult:
    """The results of the models of one form on labelled pictures.

    Attributes:
        probability: float32 (pictures,), the gate's probabilities; NaN without a gate.
        masks: final masks of each picture; empty if the gate stopped the picture.
        positives_dice: mean Dice over (picture, class) pairs with truth; None without such pairs.
        gate_recall: share of defective pictures at or above the gate's threshold; None without a
            gate or without defective pictures.
    """

    probability: Float32
    masks: list[Masks]
    positives_dice: float | None
    gate_recall: float | None


def run_form(detector: Detector, pictures: Sequence[LabelledPicture]) -> FormResult:
    """Run the models of one form over labelled pictures, in the same way as scoring.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: a model's output is not finite; the message names the picture.
    """
    results = run_detector(detector, pictures)
    masks = [one.masks for one in results]
    probability = np.array([one.probability for one in results], dtype=np.float32)
    return FormResult(
        probability,
        masks,
        _positives_dice(pictures, masks, [one.id for one in detector.manifest.classes]),
        _gate_recall(detector.manifest, pictures, probability),
    )


def compare(precision: CpuPrecision, expected: FormResult, found: FormResult) -> CompiledForm:
    """Compare one form with the Keras models, on the same pictures."""
    differing = either = 0
    for one, other in zip(expected.masks, found.masks, strict=True):
        for counts in _confusions(one, other):
            differing += counts.fp + counts.fn
            either += counts.union
    gap = np.abs(found.probability - expected.probability)
    has_gate = gap.size > 0 and not np.isnan(gap).any()
    return CompiledForm(
        precision=precision,
        pictures=len(expected.masks),
        gate_difference=float(gap.max()) if has_gate else None,
        segmenter_pixels=differing / either if either else 0.0,
        positives_dice_drop=_drop(expected.positives_dice, found.positives_dice),
        gate_recall_drop=_drop(expected.gate_recall, found.gate_recall),
    )


def _confusions(expected: Masks, found: Masks) -> Iterator[run_lengths.Confusion]:
    """Yield the confusion between the masks of two forms on one picture, class by class."""
    for class_id in expected.keys() | found.keys():
        yield run_lengths.confusion(expected.get(class_id, _NO_RUNS), found.get(class_id, _NO_RUNS))


def _positives_dice(
    pictures: Sequence[LabelledPicture], masks: Sequence[Masks], class_ids: Sequence[int]
) -> float | None:
    dice = [
        run_lengths.confusion(picture.runs[class_id], found.get(class_id, _NO_RUNS)).dice
        for picture, found in zip(pictures, masks, strict=True)
        for class_id in set(class_ids) & picture.runs.keys()
    ]
    return float(np.mean(dice)) if dice else None


def _gate_recall(
    manifest: Manifest, pictures: Sequence[LabelledPicture], probability: Float32
) -> float | None:
    defective = np.array([picture.defective for picture in pictures], dtype=bool)
    if manifest.gate is None or not defective.any():
        return None
    return float(reaches_threshold(manifest.gate, probability[defective]).mean())


def _drop(expected: float | None, found: float | None) -> float | None:
    return None if expected is None or found is None else expected - found
