"""A draft manifest in, one with chosen thresholds out, with how they were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.analysis import metrics
from steeldefect.bundle.manifest import Calibration, Manifest, Score
from steeldefect.detection import gating
from steeldefect.detection.detector import Detector
from steeldefect.errors import DataError
from training.calibration.calibrate_gate import CONFIDENCE, CalibratedGate, calibrate_gate
from training.calibration.curves import Curves
from training.calibration.measure import measure
from training.calibration.modes import Mode, choose_mode
from training.calibration.search import FEWEST_PICTURES, enough
from training.calibration.sweep import ClassSweep, class_sweeps, gate_effect
from training.data.dataset import LabelledPicture
from training.recipe import Calibrate

_NOTHING = "none"  # an objective, where the classes keep their values

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrated:
    """What calibration gives back.

    Attributes:
        manifest: the draft with classes, gate and `calibration` filled in.
        curves: for the report.
        notes: what a reader of the bundle should know.
    """

    manifest: Manifest
    curves: Curves
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Truth:
    """bool (pictures,) each: whether a picture is defective, and whether its masks are known."""

    defective: Bools
    outlined: Bools


def calibrate(
    detector: Detector,
    manifest: Manifest,
    pictures: Sequence[LabelledPicture],
    settings: Calibrate,
) -> Calibrated:
    """Choose temperature and threshold of the gate, its mode, and the classes' values.

    In this order: each step takes the ones before it as given.

    Args:
        detector: opened models, with a draft manifest: temperature 1, the recipe's values.
        manifest: that draft.
        pictures: of the validation part.
        settings: the recipe's.

    Raises:
        DataError: no picture with known masks, or one cannot be read.
        InferenceError: a model gave numbers that are not finite; names the picture.
    """
    measured = measure(detector, pictures)
    if measured.sweep.empty:
        raise DataError(
            f"none of the {len(pictures)} validation pictures has known masks, so that nothing "
            "can be calibrated; add labelled pictures"
        )
    truth = _Truth(
        np.array([picture.defective for picture in pictures], dtype=bool),
        np.array([picture.outlined for picture in pictures], dtype=bool),
    )
    calibrated = calibrate_gate(manifest.gate, measured.probability, truth.defective, settings)
    sweeps = class_sweeps(measured.sweep, manifest.classes)
    mode, mode_note = choose_mode(
        sweeps,
        calibrated.gate,
        calibrated.probability[truth.outlined],
        _usual_pixels(pictures),
        settings.gate_mode,
        settings.objective,
    )
    chosen = {
        "classes": list(mode.searched.classes),
        "gate": mode.gate,
        "calibration": _record(sweeps, mode, calibrated, truth, settings),
    }
    curves = Curves(calibrated.curve, calibrated.before, calibrated.after, mode.searched.curves)
    notes = (*calibrated.notes, *([mode_note] if mode_note else []), *_kept(sweeps, settings))
    return Calibrated(manifest.model_copy(update=chosen), curves, notes)


def _usual_pixels(pictures: Sequence[LabelledPicture]) -> int:
    return int(np.median([picture.shape[0] * picture.shape[1] for picture in pictures]))


def _kept(sweeps: Sequence[ClassSweep], settings: Calibrate) -> list[str]:
    """Say which classes keep the recipe's values although a search was asked for."""
    if settings.objective is None:
        return []
    return [
        f"class {sweep.defect_class.id} ({sweep.defect_class.name}): "
        f"{int(sweep.positive.sum())} validation pictures show it, fewer than {FEWEST_PICTURES}; "
        f"it keeps pixel threshold {sweep.defect_class.pixel_threshold} and least area "
        f"{sweep.defect_class.min_area}"
        for sweep in sweeps
        if not enough(sweep)
    ]


def _record(
    sweeps: Sequence[ClassSweep],
    mode: Mode,
    calibrated: CalibratedGate,
    truth: _Truth,
    settings: Calibrate,
) -> Calibration:
    by_recall = calibrated.gate is not None and bool(truth.defective.any())
    return Calibration(
        pictures=len(truth.defective),
        defective=int(truth.defective.sum()),
        objective=_NOTHING if settings.objective is None else settings.objective.value,
        target_recall=settings.gate_recall if by_recall else None,
        gate_recall=calibrated.recall,
        gate_recall_interval=calibrated.interval,
        confidence=CONFIDENCE,
        gate_calibration_error=calibrated.errors,
        scores=_scores(sweeps, mode, calibrated, truth),
    )


def _scores(
    sweeps: Sequence[ClassSweep], mode: Mode, calibrated: CalibratedGate, truth: _Truth
) -> list[Score]:
    """Score the pictures with the values chosen.

    Mask and verdict metrics: over the outlined pictures. Gate metrics: over all.
    """
    confusions = _confusions(sweeps, mode, calibrated.probability[truth.outlined])
    scores = metrics.segmentation_scores(confusions, [one.id for one in mode.searched.classes])
    if mode.gate is not None:
        passed = gating.passes(mode.gate, calibrated.probability)
        probability = calibrated.probability.astype(np.float64)
        scores += metrics.gate_scores(truth.defective, probability, passed)
    reported = (confusions["tp"] + confusions["fp"] > 0).to_numpy().reshape(len(sweeps), -1)
    defective = truth.defective[truth.outlined]
    return scores + metrics.verdict_scores(defective, np.asarray(reported.any(axis=0)))


def _confusions(
    sweeps: Sequence[ClassSweep], mode: Mode, probability: npt.NDArray[np.float32]
) -> pd.DataFrame:
    """Count pixels, class by class, each over all outlined pictures."""
    effect = gate_effect(mode.gate, probability)
    parts = []
    for sweep, chosen in zip(sweeps, mode.searched.classes, strict=True):
        place = sweep.place_of(chosen.pixel_threshold)
        found = sweep.found(place, chosen.min_area, effect)
        tp = np.where(found, sweep.tp[:, place], 0)
        fp = np.where(found, sweep.area[:, place], 0) - tp
        columns = {"class_id": chosen.id, "tp": tp, "fp": fp, "fn": sweep.truth - tp}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
