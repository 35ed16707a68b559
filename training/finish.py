"""Finish a fit: turn the fitted models and a draft manifest into a sealed bundle.

Thresholds are chosen, and forms are compared, on the validation part. The test part is used once,
at the end, with the form that scoring will run. Nothing is chosen by its results.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import CpuPrecision, Manifest, Score
from steeldefect.detection.detector import Detector
from steeldefect.evaluation.metrics import OVERALL
from steeldefect.program.progress import say
from steeldefect.watch.bundle_reference import REFERENCE_NAME
from training.calibration.calibrate import calibrate
from training.calibration.measure import Measured, measure
from training.calibration.region_confidence import calibrate_regions
from training.calibration.temperature import reliability
from training.data.dataset import LabelledPicture
from training.evaluation.held_out_csv import HELD_OUT_NAME
from training.evaluation.held_out_guarantees import with_held_out
from training.evaluation.reference import bundle_reference
from training.evaluation.run_detector import PictureResult, run_detector
from training.evaluation.score_held_out import HeldOut, score_held_out
from training.export.accept_precision import accept_precision
from training.export.agreement import check_agreement
from training.export.seal import seal
from training.export.staging import Models, staging
from training.fitting.checkpoint import History
from training.recipe import Recipe
from training.report import Report, write_report
from training.splitting.split import SPLIT_NAME, Parts

GATE_ERROR = "gate_calibration_error"
"""Name of the score: expected calibration error of the gate's probabilities."""
HISTORY_NAME = "history.json"
REPORT_NAME = "report.html"

_CHECKED_PICTURES = 8  # validation pictures on which Keras and OpenVINO must agree


@dataclass(frozen=True)
class Fitted:
    """The result of fitting both models.

    Attributes:
        models: float32 models for whole pictures.
        draft: manifest with the thresholds of the recipe.
        history: values of each curve, by name of the model.
        recipe: recipe with fixed input sizes.
        parts: parts of the split.
    """

    models: Models
    draft: Manifest
    history: Mapping[str, History]
    recipe: Recipe
    parts: Parts


class Evidence(Protocol):
    """The answers by which the values of a bundle are chosen, and by which it is measured.

    Attributes:
        choosing: pictures by which values are chosen.
        measuring: held-out pictures.
    """

    choosing: Sequence[LabelledPicture]
    measuring: Sequence[LabelledPicture]

    def measure(self, exact: Detector, rounded: Detector | None) -> Measured:
        """Return answers for the choosing pictures; both detectors have the draft manifest.

        `rounded`: the form in bf16; None if this CPU cannot compute it, or there is no gate.
        """

    def results(self, detector: Detector) -> Sequence[PictureResult]:
        """Return results on the choosing pictures, with the manifest of `detector`."""

    def held_out(self, scoring: Detector) -> HeldOut:
        """Return the results on the held-out pictures."""


class OfParts:
    """The models' own answers: the validation part chooses, the test part measures."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a split."""
        self.choosing: Sequence[LabelledPicture] = parts.validation
        self.measuring: Sequence[LabelledPicture] = parts.test

    def measure(self, exact: Detector, rounded: Detector | None) -> Measured:
        """Run both models over the validation part."""
        return measure(exact, self.choosing, rounded)

    def results(self, detector: Detector) -> Sequence[PictureResult]:
        """Run the detector over the validation part."""
        return run_detector(detector, self.choosing)

    def held_out(self, scoring: Detector) -> HeldOut:
        """Run the detector that scores over the test part."""
        return score_held_out(scoring, self.measuring)


def finish(fitted: Fitted, target: Path, evidence: Evidence | None = None) -> Bundle:
    """Stage the models, check, calibrate, choose the precision, measure, report, and seal.

    The bundle also gets a reference for the watch: what the pictures that choose look like to it.

    Args:
        fitted: fitted models with their draft manifest, history, recipe and parts.
        target: folder of the bundle; must not exist.
        evidence: answers that choose and measure; None for those of the models themselves.

    Returns:
        The bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: models and draft do not match, or the forms do not agree.
        DataError: there is nothing to calibrate on, or a picture cannot be read.
        InferenceError: a model's output is not finite.
        StoreError: the bundle cannot be written.
    """
    draft, recipe, parts = fitted.draft, fitted.recipe, fitted.parts
    evidence = evidence or OfParts(parts)
    choosing = evidence.choosing
    with staging(target, fitted.models, draft) as staged:
        check_agreement(staged, [one.read() for one in choosing[:_CHECKED_PICTURES]])

        say(f"calibrating on {len(choosing)} validation pictures")
        exact = staged.detector(draft, CpuPrecision.F32)
        rounds = draft.gate is not None and CpuPrecision.BF16 in staged.precisions
        rounded = staged.detector(draft, CpuPrecision.BF16) if rounds else None
        measured = evidence.measure(exact, rounded)
        calibrated = calibrate(measured, draft, choosing, recipe.calibrate)
        manifest = _with_notes(calibrated.manifest, calibrated.notes)
        if recipe.calibrate.regions:
            results = evidence.results(staged.detector(manifest, CpuPrecision.F32))
            regions = [region for one in results for region in one.regions]
            scaled = calibrate_regions(manifest, regions)
            manifest = _with_notes(scaled.manifest, scaled.notes)

        compiled = accept_precision(staged, manifest, parts.train, choosing, recipe.compile)

        scoring = staged.detector(manifest, compiled.default, compiled.gate_default)
        classes = {one.id: one.name for one in manifest.outlined_classes}
        reference = bundle_reference(evidence.results(scoring), classes)

        say(f"measuring on {len(evidence.measuring)} test pictures, in {compiled.default_name}")
        held_out = evidence.held_out(scoring)
        manifest = _with_held_out(manifest, held_out).model_copy(update={"compiled": compiled})

        report = Report(
            manifest=manifest,
            history=fitted.history,
            held_out=held_out.table,
            curves=calibrated.curves,
            pictures=evidence.measuring,
            found=held_out.found,
        )
        attachments = {
            SPLIT_NAME: parts.to_csv(),
            HISTORY_NAME: _history_json(fitted.history),
            HELD_OUT_NAME: held_out.to_csv(),
            REPORT_NAME: write_report(report),
            REFERENCE_NAME: reference.to_json() + "\n",
        }
        return seal(staged, target, manifest, attachments)


def _history_json(history: Mapping[str, History]) -> str:
    """Write the curves; an epoch without a value has null."""
    curves = {
        model: {
            name: [value if math.isfinite(value) else None for value in values]
            for name, values in one.items()
        }
        for model, one in history.items()
    }
    return json.dumps(curves, indent=1) + "\n"


def read_history(bundle: Bundle) -> dict[str, History]:
    """Return the curves of a bundle's fit; none if an early version has kept none."""
    path = bundle.folder / HISTORY_NAME
    if not path.exists():
        return {}
    stated = json.loads(path.read_text(encoding="utf-8"))
    return {
        model: {
            name: [math.nan if value is None else value for value in values]
            for name, values in one.items()
        }
        for model, one in stated.items()
    }


def _with_notes(manifest: Manifest, notes: tuple[str, ...]) -> Manifest:
    """Return the manifest with more notes after those that it has."""
    record = manifest.training
    training = record.model_copy(update={"notes": [*record.notes, *notes]})
    return manifest.model_copy(update={"training": training})


def _gate_error(held_out: HeldOut) -> Iterator[Score]:
    """Yield the score `gate_calibration_error`, if there is a gate."""
    pictures = held_out.table.drop_duplicates("ImageId")
    probability = pictures["gate_probability"].to_numpy(dtype=np.float32)
    if len(probability) and not np.isnan(probability).any():
        error = reliability(probability, pictures["defective"].to_numpy(dtype=bool)).error
        yield Score(scope=OVERALL, name=GATE_ERROR, value=error, support=len(probability))


def _with_held_out(manifest: Manifest, held_out: HeldOut) -> Manifest:
    """Return the manifest with the scores and the counts of guarantees on held-out pictures."""
    scores = [*held_out.scores, *_gate_error(held_out)]
    update: dict[str, object] = {"held_out_scores": scores}
    calibration = manifest.calibration
    if calibration is not None:
        guarantees = with_held_out(calibration.guarantees, manifest.gate, held_out.table)
        update["calibration"] = calibration.model_copy(update={"guarantees": guarantees})
    return manifest.model_copy(update=update)
