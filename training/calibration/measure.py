"""Run both models over labelled pictures, and count pixels with all thresholds to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.detection.detector import Detector
from steeldefect.detection.windows import resize_map
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.run_lengths import Mask
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import GatedBatch, run_gate

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Pixel thresholds that are tried for every class, in addition to those in the manifest."""

SEEDS = (0.95, 0.98)
"""Seed thresholds that are tried, in addition to the pixel thresholds."""

_COLUMNS = ("picture", "class_id", "threshold", "seed", "area", "tp", "truth")

Int64 = npt.NDArray[np.int64]
Pair = tuple[float, float | None]
"""A pixel threshold, and a seed threshold or none."""

_Row = tuple[int, int, float, float | None, int, int, int]


@dataclass(frozen=True)
class Measured:
    """The models' answers for labelled pictures.

    Attributes:
        probability: float32 (pictures,), raw probabilities of the gate; NaN without a gate.
        rounded: the same by a form of the gate that rounds (bf16), NaN where it has no answer;
            None if there is no such form.
        sweep: one row for each outlined picture, class and pair of thresholds, in this order.
            Columns: picture (index among the pictures given), class_id, threshold, seed (NaN
            without a seed threshold); and in pixels of the picture: area (found), tp (found and
            true), truth (true).
    """

    probability: Float32
    sweep: pd.DataFrame
    rounded: Float32 | None = None

    @property
    def least_probability(self) -> Float32:
        """Float32 (pictures,): the lower raw probability of both forms.

        With a threshold that is chosen on these, a picture that must pass does so in both forms.
        """
        if self.rounded is None:
            return self.probability
        return np.fmin(self.probability, self.rounded)


def measure(
    detector: Detector, pictures: Sequence[LabelledPicture], rounded: Detector | None = None
) -> Measured:
    """Run both models over labelled pictures. Keep counts of pixels, not the class maps.

    Pictures without drawn masks go to the gate only.

    Args:
        detector: opened models with a draft manifest; the gate must not be calibrated.
        pictures: pictures of the validation part.
        rounded: the same with a gate that rounds, whose answers are measured too; None if there
            is none.

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
    pairs = tried([one.pixel_threshold for one in detector.manifest.classes])
    probabilities: list[Float32] = []
    of_rounded: list[Float32] = []
    rows: list[_Row] = []
    first = 0
    for batch in run_gate(detector, pictures):
        probabilities.append(batch.probabilities)
        if rounded is not None:
            of_rounded.append(_of_rounded(rounded, batch))
        rows += _sweep(detector, batch, first, pairs)
        first += len(batch.pictures)
    return Measured(
        _joined(probabilities),
        pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"seed": np.float64}),
        None if rounded is None else _joined(of_rounded),
    )


def _of_rounded(detector: Detector, batch: GatedBatch) -> Float32:
    """Return the gate's probabilities; NaN if it fails: its form is then refused later."""
    try:
        return detector.judge(batch.prepared).probability
    except (InferenceError, RuntimeError):  # OpenVINO raises RuntimeError
        return np.full(len(batch.pictures), np.nan, np.float32)


def _joined(parts: Sequence[Float32]) -> Float32:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def tried(thresholds: Sequence[float] = ()) -> list[Pair]:
    """Return all pairs of thresholds to try, in the order of `ClassSweep`.

    Args:
        thresholds: further pixel thresholds.
    """
    pixels = sorted({*THRESHOLDS, *thresholds})
    seeds = sorted({*pixels, *SEEDS})
    plain: list[Pair] = [(one, None) for one in pixels]
    return plain + [(one, seed) for one in pixels for seed in seeds if seed > one]


def sweep_map(
    probability: Float32,
    shape: tuple[int, int],
    truth: run_lengths.Runs,
    pairs: Sequence[Pair],
) -> tuple[Int64, Int64]:
    """Count found pixels of one class map with many thresholds.

    The result of each pair is that of `detection.outline.find_defect`.

    Args:
        probability: float32 (h, w), class map of the model.
        shape: (height, width) of the picture.
        truth: int64 (n, 2), run lengths of the true mask.
        pairs: t pairs of thresholds; see `manifest.DefectClass`.

    Returns:
        Two arrays int64 (t,): pixels found, and pixels found that are true. No minimum area is
        applied.
    """
    counts = np.zeros((2, len(pairs)), np.int64)
    peak = float(probability.max())
    lowest = min(threshold for threshold, _ in pairs)
    if not peak > np.float32(lowest):
        return counts[0], counts[1]
    full = resize_map(probability, shape)
    rows, columns = _around(full > lowest)
    if rows.start == rows.stop:  # resizing has lowered the peak
        return counts[0], counts[1]
    full = np.ascontiguousarray(full[rows, columns])
    true = run_lengths.to_mask(truth, shape)[rows, columns]
    for threshold in {threshold for threshold, _ in pairs if peak > np.float32(threshold)}:
        regions = _Regions(full, true, threshold)
        for place, (its, seed) in enumerate(pairs):
            if its == threshold and (seed is None or peak > np.float32(seed)):
                counts[:, place] = regions.with_seed(seed)
    return counts[0], counts[1]


def _around(mask: Mask) -> tuple[slice, slice]:
    """Return rows and columns of the smallest rectangle around a mask."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


class _Regions:
    """The regions of a class map above one pixel threshold, with their pixels."""

    def __init__(self, full: Float32, true: Mask, threshold: float) -> None:
        """Find the regions of a class map `full`; `true` is the true mask there."""
        mask = np.asarray(full > threshold)
        count, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        self._count = count
        self._values = full[mask]
        self._region = numbers[mask]
        self._counts = np.stack(
            [
                np.bincount(self._region, minlength=count),
                np.bincount(numbers[mask & true], minlength=count),
            ]
        )

    def with_seed(self, seed: float | None) -> Int64:
        """Return pixels found, and pixels found that are true, with a seed threshold: (2,)."""
        kept = np.ones(self._count, bool)
        if seed is not None:
            kept[:] = False
            kept[self._region[self._values > seed]] = True
        return np.asarray(self._counts[:, kept].sum(axis=1))


def _sweep(
    detector: Detector, batch: GatedBatch, first: int, pairs: Sequence[Pair]
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
            areas, hits = sweep_map(maps[:, :, channel], picture.shape, truth, pairs)
            true = run_lengths.area(truth)
            for (threshold, seed), area, tp in zip(
                pairs, areas.tolist(), hits.tolist(), strict=True
            ):
                yield first + place, one.id, threshold, seed, area, tp, true
