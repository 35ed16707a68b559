"""Calibrate a bundle: fill a draft manifest with the gate and the values of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.bundle.manifest import (
    Calibration,
    DefectClass,
    Guarantee,
    Manifest,
    Score,
    with_lowest_format,
)
from steeldefect.detection import gating
from steeldefect.errors import DataError
from steeldefect.evaluation import metrics
from training.calibration.calibrate_gate import (
    CONFIDENCE,
    CalibratedGate,
    calibrate_gate,
    measure_gate,
)
from training.calibration.curves import Curves
from training.calibration.guarantee_classes import guarantee_class
from training.calibration.guarantee_gate import guarantee_gate
from training.calibration.guarantee_halves import Halves, guarantee_halves
from training.calibration.guarantee_notes import guarantee_notes
from training.calibration.measure import Measured
from training.calibration.modes import Mode, choose_mode
from training.calibration.search import FEWEST_PICTURES, enough
from training.calibration.sweep import ClassSweep, class_sweeps, gate_effect
from training.data.dataset import LabelledPicture
from training.recipe import Calibrate

_NO_OBJECTIVE = "none"  # recorded as the objective when the classes keep their values

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrated:
    """The result of a calibration.

    Attributes:
        manifest: the draft with classes, gate and `calibration` filled in.
        curves: curves that the training report shows.
        notes: notes for a reader of the bundle.
    """

    manifest: Manifest
    curves: Curves
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Truth:
    """The truth of the validation pictures.

    Attributes:
        defective: bool (pictures,), the picture shows a defect.
        outlined: bool (pictures,), the true masks are known.
        groups: text (pictures,), group of the picture.
    """

    defective: Bools
    outlined: Bools
    groups: npt.NDArray[np.object_]


def calibrate(
    measured: Measured,
    manifest: Manifest,
    pictures: Sequence[LabelledPicture],
    settings: Calibrate,
) -> Calibrated:
    """Choose the gate's temperature and threshold, then its mode and the values of the classes.

    Each step keeps the values of the steps before it. If the recipe asks for a guarantee,
    thresholds go no higher than where it holds; see `training.calibration.guarantee`.

    Args:
        measured: the models' answers for the pictures.
        manifest: draft manifest.
        pictures: pictures of the validation part.
        settings: calibration settings of the recipe.

    Raises:
        DataError: no picture has known masks.
    """
    if measured.sweep.empty:
        raise DataError(
            f"none of the {len(pictures)} validation pictures has known masks: calibration is not "
            "possible; add labelled pictures"
        )
    truth = _Truth(
        np.array([picture.defective for picture in pictures], dtype=bool),
        np.array([picture.outlined for picture in pictures], dtype=bool),
        np.array([picture.group for picture in pictures], dtype=object),
    )
    halves = _halves(pictures, manifest, settings)
    calibrated, of_gate = _calibrate_gate(manifest, measured, truth, halves, settings)
    sweeps = class_sweeps(measured.sweep, manifest.classes)
    searching = halves.choosing[truth.outlined]
    searched = [one.only(searching) for one in sweeps]
    mode, mode_note = choose_mode(
        searched,
        calibrated.gate,
        calibrated.probability[truth.outlined][searching],
        _usual_pixels(pictures),
        settings.gate_mode,
        settings.objective,
    )
    mode, of_classes = _guarantee_classes(sweeps, mode, calibrated, truth, halves, settings)
    guarantees = [*of_gate, *of_classes]
    record = _record(sweeps, mode, calibrated, truth, settings)
    chosen = {
        "classes": list(mode.searched.classes),
        "gate": mode.gate,
        "calibration": record.model_copy(update={"guarantees": guarantees}),
    }
    curves = Curves(calibrated.curve, calibrated.before, calibrated.after, mode.searched.curves)
    notes = (
        *calibrated.notes,
        *([mode_note] if mode_note else []),
        *_of_few(searched, mode.searched.classes, settings),
        *guarantee_notes(guarantees, manifest.class_names, halves),
    )
    return Calibrated(with_lowest_format(manifest.model_copy(update=chosen)), curves, notes)


def _halves(pictures: Sequence[LabelledPicture], manifest: Manifest, settings: Calibrate) -> Halves:
    """Return which pictures choose values; all of them if there is nothing to prove."""
    wanted = settings.guarantee
    if wanted is None:
        return Halves(np.ones(len(pictures), dtype=bool), np.zeros(len(pictures), dtype=bool))
    class_ids = [one.id for one in manifest.classes]
    return guarantee_halves(pictures, class_ids, wanted.missed, wanted.confidence)


def _calibrate_gate(
    manifest: Manifest, measured: Measured, truth: _Truth, halves: Halves, settings: Calibrate
) -> tuple[CalibratedGate, list[Guarantee]]:
    """Choose temperature and threshold on the choosing pictures; measure the gate on all."""
    choosing, raw = halves.choosing, measured.probability
    least = measured.least_probability[choosing]
    first = calibrate_gate(manifest.gate, raw[choosing], truth.defective[choosing], settings, least)
    gate, records = first.gate, list[Guarantee]()
    if gate is not None and settings.guarantee is not None:
        gate, record = guarantee_gate(
            gate,
            gating.temper(least, gate.temperature, gate.shift),
            truth.defective[choosing],
            truth.groups[choosing].tolist(),
            settings.guarantee,
            lower_only=settings.gate_recall is not None,
        )
        records.append(record)
    return measure_gate(gate, raw, truth.defective, settings, first.notes), records


def _guarantee_classes(
    sweeps: Sequence[ClassSweep],
    mode: Mode,
    calibrated: CalibratedGate,
    truth: _Truth,
    halves: Halves,
    settings: Calibrate,
) -> tuple[Mode, list[Guarantee]]:
    """Lower the pixel thresholds to where the guarantee holds, on the proving pictures."""
    if settings.guarantee is None:
        return mode, []
    proving = halves.proving[truth.outlined]
    effect = gate_effect(mode.gate, calibrated.probability[truth.outlined][proving])
    pairs = [
        guarantee_class(
            sweep.only(proving),
            chosen,
            effect,
            truth.groups[truth.outlined][proving].tolist(),
            settings.guarantee,
            lower_only=settings.objective is not None,
        )
        for sweep, chosen in zip(sweeps, mode.searched.classes, strict=True)
    ]
    classes = tuple(one for one, _ in pairs)
    lowered = replace(mode, searched=replace(mode.searched, classes=classes))
    return lowered, [record for _, record in pairs]


def _usual_pixels(pictures: Sequence[LabelledPicture]) -> int:
    return int(np.median([picture.shape[0] * picture.shape[1] for picture in pictures]))


def _of_few(
    sweeps: Sequence[ClassSweep], classes: Sequence[DefectClass], settings: Calibrate
) -> list[str]:
    """Return a note for each class that has too few pictures for a search."""
    if settings.objective is None:
        return []
    notes = []
    for sweep, one in zip(sweeps, classes, strict=True):
        if enough(sweep):
            continue
        seed = "" if one.seed_threshold is None else f", seed threshold {one.seed_threshold}"
        values = f"pixel threshold {one.pixel_threshold}{seed} and minimum area {one.min_area}"
        keeps = sweep.place_of(one) == sweep.place_of(sweep.defect_class)
        notes.append(
            f"class {one.id} ({one.name}): {int(sweep.positive.sum())} validation pictures show "
            f"it, fewer than {FEWEST_PICTURES}; it "
            + (f"keeps {values}" if keeps else f"has {values}, to find less where it is not")
        )
    return notes


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
        objective=_NO_OBJECTIVE if settings.objective is None else settings.objective.value,
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
    """Score the validation pictures with the chosen values.

    Mask and verdict metrics use the outlined pictures. Gate metrics use all pictures.
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
    """Count tp, fp and fn pixels: one row for each class and outlined picture, class by class."""
    effect = gate_effect(mode.gate, probability)
    parts = []
    for sweep, chosen in zip(sweeps, mode.searched.classes, strict=True):
        place = sweep.place_of(chosen)
        found = sweep.found(place, chosen.min_area, effect)
        tp = np.where(found, sweep.tp[:, place], 0)
        fp = np.where(found, sweep.area[:, place], 0) - tp
        columns = {"class_id": chosen.id, "tp": tp, "fp": fp, "fn": sweep.truth - tp}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
