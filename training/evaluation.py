"""Held-out scores: the exported models, run as scoring runs them, against the true masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from steeldefect import metrics, rle
from steeldefect.detector import Detector, Finding
from steeldefect.errors import InferenceError
from steeldefect.manifest import Score
from training.dataset import LabelledPicture

_CHUNK = 16  # pictures in memory at a time
_NO_RUNS = rle.parse("")


@dataclass(frozen=True)
class _Answer:
    """What the detector says of one picture."""

    picture: LabelledPicture
    probability: float
    passed: bool
    runs: dict[int, rle.Runs]


def held_out_scores(detector: Detector, pictures: Sequence[LabelledPicture]) -> list[Score]:
    """Score pictures that no model was fitted to.

    Mask metrics leave out defective pictures whose masks nobody drew; gate and verdict metrics
    take all pictures.

    Args:
        detector: of the exported models.
        pictures: the test part of the split.

    Returns:
        The scores of `steeldefect.metrics`; without a gate, none of the gate.

    Raises:
        InferenceError: a model answered with numbers that are not finite.
    """
    answers = [answer for chunk in _chunks(pictures) for answer in _ask(detector, chunk)]
    class_ids = [one.id for one in detector.manifest.classes]
    scores = metrics.segmentation_scores(_confusions(answers, class_ids), class_ids)
    defective = np.array([answer.picture.defective for answer in answers], dtype=bool)
    if detector.manifest.gate is not None:
        probability = np.array([answer.probability for answer in answers], dtype=np.float64)
        passed = np.array([answer.passed for answer in answers], dtype=bool)
        scores += metrics.gate_scores(defective, probability, passed)
    found = np.array([bool(answer.runs) for answer in answers], dtype=bool)
    return scores + metrics.verdict_scores(defective, found)


def _chunks(pictures: Sequence[LabelledPicture]) -> Iterator[Sequence[LabelledPicture]]:
    for start in range(0, len(pictures), _CHUNK):
        yield pictures[start : start + _CHUNK]


def _ask(detector: Detector, pictures: Sequence[LabelledPicture]) -> list[_Answer]:
    prepared = [detector.prepare(picture.read()) for picture in pictures]
    probabilities = detector.gate(prepared)
    passed = detector.passes(probabilities)
    passing = [one for one, passes in zip(prepared, passed, strict=True) if passes]
    findings = iter(detector.segment(passing))
    return [
        _Answer(
            picture,
            float(probability),
            bool(passes),
            _runs_of(next(findings), picture) if passes else {},
        )
        for picture, probability, passes in zip(pictures, probabilities, passed, strict=True)
    ]


def _runs_of(
    findings: list[Finding] | InferenceError, picture: LabelledPicture
) -> dict[int, rle.Runs]:
    if isinstance(findings, InferenceError):
        raise InferenceError(f"{picture.name}: {findings}")
    return {finding.defect_class.id: finding.runs for finding in findings}


def _confusions(answers: Sequence[_Answer], class_ids: Sequence[int]) -> pd.DataFrame:
    """Count pixels: one row for each picture with known masks, and class."""
    rows = []
    for answer in answers:
        if not answer.picture.outlined:
            continue
        for class_id in class_ids:
            truth = answer.picture.runs.get(class_id, _NO_RUNS)
            found = answer.runs.get(class_id, _NO_RUNS)
            both = rle.overlap(truth, found)
            rows.append((class_id, both, rle.area(found) - both, rle.area(truth) - both))
    return pd.DataFrame(rows, columns=["class_id", "tp", "fp", "fn"])
