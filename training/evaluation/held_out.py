"""The held-out part: the exported models, run as scoring runs them, against the true masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from steeldefect.analysis import metrics
from steeldefect.bundle.manifest import Score
from steeldefect.detection.detector import Detector, Finding
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture
from training.evaluation.asking import Asked, ask

_NO_RUNS = run_lengths.parse("")
_COUNTS = ("tp", "fp", "fn", "tn")
_COLUMNS = ("ImageId", "group", "defective", "gate_probability", "passed", "class_id", *_COUNTS)


@dataclass(frozen=True)
class HeldOut:
    """How a detector does on pictures that no model was fitted to.

    Attributes:
        scores: of `steeldefect.analysis.metrics`; without a gate, none of the gate.
        table: one row for each picture and class. Columns ImageId, group, defective (0 or 1),
            gate_probability (NaN without a gate), passed (0 or 1: went on to the segmenter),
            class_id, and tp, fp, fn, tn in pixels (Int64; missing for defective pictures whose
            masks nobody drew).
        found: run lengths of each class found, by picture.
    """

    scores: list[Score]
    table: pd.DataFrame
    found: dict[str, dict[int, run_lengths.Runs]]

    def to_csv(self) -> str:
        """Write the table; missing values are empty, probabilities keep all float32 digits."""
        return self.table.to_csv(index=False, lineterminator="\n", float_format="%.9g")


@dataclass(frozen=True)
class Answer:
    """What a detector says of one picture: final masks by class, none where the gate stopped it."""

    picture: LabelledPicture
    probability: float
    passed: bool
    runs: dict[int, run_lengths.Runs]


def hold_out(detector: Detector, pictures: Sequence[LabelledPicture]) -> HeldOut:
    """Score pictures that no model was fitted to.

    Mask metrics leave out defective pictures whose masks nobody drew; gate and verdict metrics
    take all pictures.

    Args:
        detector: of the exported models.
        pictures: the test part of the split.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: a model answered with numbers that are not finite; names the picture.
    """
    given = answers(detector, pictures)
    class_ids = [one.id for one in detector.manifest.classes]
    table = _table(given, class_ids)
    scores = metrics.segmentation_scores(_outlined(table), class_ids)
    defective = np.array([answer.picture.defective for answer in given], dtype=bool)
    if detector.has_gate:
        probability = np.array([answer.probability for answer in given], dtype=np.float64)
        passed = np.array([answer.passed for answer in given], dtype=bool)
        scores += metrics.gate_scores(defective, probability, passed)
    found = np.array([bool(answer.runs) for answer in given], dtype=bool)
    masks = {answer.picture.name: answer.runs for answer in given}
    return HeldOut(scores + metrics.verdict_scores(defective, found), table, masks)


def answers(detector: Detector, pictures: Sequence[LabelledPicture]) -> list[Answer]:
    """Ask a detector about labelled pictures, as scoring would.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: a model answered with numbers that are not finite; names the picture.
    """
    return [one for asked in ask(detector, pictures) for one in _outline(detector, asked)]


def _outline(detector: Detector, asked: Asked) -> Iterator[Answer]:
    passed = detector.passes(asked.probabilities)
    passing = [one for one, passes in zip(asked.prepared, passed, strict=True) if passes]
    findings = iter(detector.segment(passing, asked.probabilities[passed]))
    for picture, probability, passes in zip(
        asked.pictures, asked.probabilities.tolist(), passed.tolist(), strict=True
    ):
        runs = _runs_of(next(findings), picture) if passes else {}
        yield Answer(picture, probability, passes, runs)


def _runs_of(
    findings: list[Finding] | InferenceError, picture: LabelledPicture
) -> dict[int, run_lengths.Runs]:
    if isinstance(findings, InferenceError):
        raise InferenceError(f"{picture.name}: {findings}; fit the segmenter anew")
    return {finding.defect_class.id: finding.runs for finding in findings}


def _table(answers: Sequence[Answer], class_ids: Sequence[int]) -> pd.DataFrame:
    rows = [
        (
            answer.picture.name,
            answer.picture.group,
            int(answer.picture.defective),
            answer.probability,
            int(answer.passed),
            class_id,
            *_count(answer, class_id),
        )
        for answer in answers
        for class_id in class_ids
    ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.astype(dict.fromkeys(_COUNTS, "Int64"))


def _count(answer: Answer, class_id: int) -> tuple[int | None, ...]:
    """Count tp, fp, fn and tn in pixels; None each where the true masks are not known."""
    if not answer.picture.outlined:
        return (None,) * len(_COUNTS)
    truth = answer.picture.runs.get(class_id, _NO_RUNS)
    found = answer.runs.get(class_id, _NO_RUNS)
    tp = run_lengths.overlap(truth, found)
    fp, fn = run_lengths.area(found) - tp, run_lengths.area(truth) - tp
    height, width = answer.picture.shape
    return tp, fp, fn, height * width - tp - fp - fn


def _outlined(table: pd.DataFrame) -> pd.DataFrame:
    return table.dropna(subset=["tp"]).astype(dict.fromkeys(_COUNTS, "int64"))
