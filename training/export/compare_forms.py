"""Compare the answers of a form with those of the Keras models: masks, Dice, recall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steeldefect.bundle.manifest import Gate
from steeldefect.detection.gating import reaches_threshold
from steeldefect.evaluation.intervals import Float64
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import Masks
from training.export.drops import Drop, dice_drop, recall_drop
from training.export.run_forms import Answers

_NO_RUNS = run_lengths.parse("")


@dataclass(frozen=True)
class ModelFigures:
    """One model of a form, compared with Keras.

    Attributes:
        drop: drop of positives-only Dice (segmenter) or of gate recall (gate).
        mask_dice: pooled Dice of the final masks with those of Keras; None if both are empty.
        differing: of all pixels in a mask of either, the share in only one of them.
        gate_difference: largest difference between the gates' probabilities; None for a segmenter.
        novelty_difference: relative difference of novelty that 95% of the pictures stay within;
            None for a segmenter, and if nobody judges novelty.
    """

    drop: Drop
    mask_dice: float | None
    differing: float
    gate_difference: float | None = None
    novelty_difference: float | None = None


def compare_segmenter(
    pictures: Sequence[LabelledPicture], class_ids: Sequence[int], keras: Answers, found: Answers
) -> ModelFigures:
    """Compare masks with those of Keras, and the Dice of both with the truth.

    Args:
        pictures: labelled pictures.
        class_ids: classes of the bundle.
        keras: answers of the Keras models to these pictures.
        found: answers with the form's segmenter.
    """
    pairs = [
        (place, class_id)
        for place, picture in enumerate(pictures)
        for class_id in sorted(set(class_ids) & picture.runs.keys())
    ]
    drop = dice_drop(
        [pictures[place].group for place, _ in pairs],
        _true_dice(pictures, pairs, keras),
        _true_dice(pictures, pairs, found),
    )
    return ModelFigures(drop, *_alike(keras, found))


def compare_gate(
    gate: Gate, pictures: Sequence[LabelledPicture], keras: Answers, found: Answers
) -> ModelFigures:
    """Compare a gate with that of Keras: recall, probabilities, and the masks behind them.

    Args:
        gate: gate of the manifest.
        pictures: one or more labelled pictures.
        keras: answers of the Keras models to these pictures.
        found: answers with the form's gate.
    """
    expected, answered = (np.array(one.probability, np.float32) for one in (keras, found))
    defective = np.array([one.defective for one in pictures], dtype=bool)
    drop = recall_drop(
        [one.group for one in pictures if one.defective],
        reaches_threshold(gate, expected)[defective],
        reaches_threshold(gate, answered)[defective],
    )
    difference = float(np.abs(answered - expected).max())
    return ModelFigures(drop, *_alike(keras, found), difference, _novelty_difference(keras, found))


def _novelty_difference(keras: Answers, found: Answers) -> float | None:
    pairs = [
        abs(other / one - 1)
        for one, other in zip(keras.novelty, found.novelty, strict=True)
        if one and other is not None
    ]
    return float(np.quantile(pairs, 0.95)) if pairs else None


def _true_dice(
    pictures: Sequence[LabelledPicture], pairs: Sequence[tuple[int, int]], answers: Answers
) -> Float64:
    """Return the Dice of each (picture, class) pair with the truth, float64 (pairs,)."""
    return np.array(
        [
            run_lengths.confusion(
                pictures[place].runs[class_id], answers.masks[place].get(class_id, _NO_RUNS)
            ).dice
            for place, class_id in pairs
        ],
        dtype=np.float64,
    )


def _alike(keras: Answers, found: Answers) -> tuple[float | None, float]:
    """Return the pooled Dice of two sets of masks, and the share of their pixels that differs."""
    common = differing = 0
    for one, other in zip(keras.masks, found.masks, strict=True):
        for counts in _confusions(one, other):
            common += counts.tp
            differing += counts.fp + counts.fn
    if not common + differing:
        return None, 0.0
    return 2 * common / (2 * common + differing), differing / (common + differing)


def _confusions(expected: Masks, found: Masks) -> Iterator[run_lengths.Confusion]:
    """Yield the confusion between the masks of two forms on one picture, class by class."""
    for class_id in expected.keys() | found.keys():
        yield run_lengths.confusion(expected.get(class_id, _NO_RUNS), found.get(class_id, _NO_RUNS))
