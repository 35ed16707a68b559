"""Run both models over labelled pictures, and count pixels at every pixel threshold to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.detection.detector import Detector
from steeldefect.detection.windows import resize_map
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import GatedBatch, run_gate

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Pixel thresholds that are tried for every class, in addition to those in the manifest."""

_COLUMNS = ("picture", "class_id", "threshold", "area", "tp", "truth")

Int64 = npt.NDArray[np.int64]
_Row = tuple[int, int, float, int, int, int]


@dataclass(frozen=True)
class Measured:
    """The models' answers for labelled pictures.

    Attributes:
        probability: float32 (pictures,), raw probabilities of the gate; NaN without a gate.
        sweep: one row for each outlined picture, class and pixel threshold, in this order.
            Columns: picture (index among the pictures given), class_id, threshold; and in pixels
            of the picture: area (found), tp (found and true), truth (true).
    """

    probability: Float32
    sweep: pd.DataFrame


def measure(detector: Detector, pictures: Sequence[LabelledPicture]) -> Measured:
    """Run both models over labelled pictures. Keep counts of pixels, not the class maps.

    Pictures without drawn masks go to the gate only.

    Args:
        detector: opened models with a draft manifest; the gate must not be calibrated.
        pictures: pictures of the validation part.

    Raises:
        ValueError: the gate is calibrated.
        DataError: a picture cannot be read.
        InferenceError: a model gave numbers that are not finite; the message names the picture.
    """
    gate = detector.manifest.gate
    if gate is not None and (gate.temperature != 1 or gate.shift):
        raise ValueError(
            f"the gate's temperature is {gate.temperature}, its shift {gate.shift}; measure with a "
            "draft's, 1 and 0"
        )
    thresholds = _thresholds(detector)
    probabilities: list[Float32] = []
    rows: list[_Row] = []
    first = 0
    for batch in run_gate(detector, pictures):
        probabilities.append(batch.probabilities)
        rows += _sweep(detector, batch, first, thresholds)
        first += len(batch.pictures)
    empty = np.empty(0, dtype=np.float32)
    return Measured(
        np.concatenate(probabilities) if probabilities else empty,
        pd.DataFrame(rows, columns=list(_COLUMNS)),
    )


def sweep_map(
    probability: Float32,
    shape: tuple[int, int],
    truth: run_lengths.Runs,
    thresholds: Sequence[float],
) -> tuple[Int64, Int64]:
    """Count found pixels of one class map at many thresholds.

    The result at each threshold is that of `detection.outline.find_defect`.

    Args:
        probability: float32 (h, w), class map of the model.
        shape: (height, width) of the picture.
        truth: int64 (n, 2), run lengths of the true mask.
        thresholds: t pixel thresholds; a pixel is found if its probability is above.

    Returns:
        Two arrays int64 (t,): pixels found, and pixels found that are true. No minimum area is
        applied.
    """
    levels = np.array(thresholds, dtype=np.float32)
    counted = levels < probability.max()
    if not counted.any():
        return np.zeros(len(levels), np.int64), np.zeros(len(levels), np.int64)
    full = resize_map(probability, shape)
    areas = _above(full[full > levels.min()], levels)
    true = full[run_lengths.to_mask(truth, shape)] if len(truth) else full[:0, 0]
    return areas * counted, _above(true, levels) * counted


def _above(values: Float32, levels: Float32) -> Int64:
    return np.array([np.count_nonzero(values > level) for level in levels], dtype=np.int64)


def _thresholds(detector: Detector) -> list[float]:
    return sorted({*THRESHOLDS, *(one.pixel_threshold for one in detector.manifest.classes)})


def _sweep(
    detector: Detector, batch: GatedBatch, first: int, thresholds: Sequence[float]
) -> Iterator[_Row]:
    places = [place for place, picture in enumerate(batch.pictures) if picture.outlined]
    if not places:
        return
    all_maps = detector.maps([batch.prepared[place] for place in places])
    for place, maps in zip(places, all_maps, strict=True):
        picture = batch.pictures[place]
        if not np.isfinite(maps).all():
            raise InferenceError(
                f"{picture.name}: the segmenter's answer is not finite; fit the segmenter again"
            )
        for channel, one in enumerate(detector.manifest.classes):
            truth = picture.runs.get(one.id, np.empty((0, 2), dtype=np.int64))
            areas, hits = sweep_map(maps[:, :, channel], picture.shape, truth, thresholds)
            true = run_lengths.area(truth)
            for threshold, area, tp in zip(thresholds, areas.tolist(), hits.tolist(), strict=True):
                yield first + place, one.id, threshold, area, tp, true
