"""Format the text at the end of a fit: held-out scores, notes, path and digest."""

from __future__ import annotations

from collections.abc import Iterator

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import Calibration, Manifest
from steeldefect.evaluation.score_table import score_table
from training.finish import REPORT_NAME
from training.report.guarantees import guarantee_line


def summarise(bundle: Bundle) -> str:
    """Return the last lines that a fit prints, or another command that writes a bundle."""
    manifest = bundle.manifest
    record = manifest.training
    # of pooled folds, each picture was held out by one of them, and the bundle has no test part
    pictures = record.pictures["test"] or record.pictures["train"]
    return "\n".join(
        [
            f"held-out scores on {pictures} pictures ({record.minutes:.1f} min of training)",
            *score_table(manifest.class_names, manifest.held_out_scores),
            *_chosen(manifest),
            *(f"note: {note}" for note in manifest.training.notes),
            f"report {bundle.folder / REPORT_NAME}",
            f"bundle {bundle.folder}",
            f"digest {bundle.digest}",
        ]
    )


def _chosen(manifest: Manifest) -> Iterator[str]:
    """Yield lines on the results of calibration and of the choice of precision."""
    gate, calibration = manifest.gate, manifest.calibration
    if gate is not None:
        known = "" if calibration is None else _recall(calibration)
        yield f"gate {gate.mode.value}, threshold {gate.threshold:.4g}{known}"
    if calibration is not None:
        for one in calibration.guarantees:
            yield f"guarantee: {guarantee_line(one, manifest.class_names)}"
        if calibration.region_calibration_error is not None:
            before, after = calibration.region_calibration_error
            yield (
                f"regions: calibration error of their mean probability {before:.3f}, calibrated "
                f"{after:.3f} (validation part, cross-fitted)"
            )
    if manifest.novelty is not None:
        yield (
            f"novelty: limit from {manifest.novelty.clean_pictures} clean pictures, at most "
            f"{manifest.novelty.false_alarms:.2%} of clean pictures are expected above it"
        )
    if manifest.compiled is not None:
        yield f"scored on CPUs in {manifest.compiled.default_name}: {manifest.compiled.reason}"


def _recall(calibration: Calibration) -> str:
    if calibration.gate_recall is None or calibration.gate_recall_interval is None:
        return ""
    low, high = calibration.gate_recall_interval
    return (
        f": recall {calibration.gate_recall:.3f} on {calibration.defective} defective validation "
        f"pictures ({100 * calibration.confidence:.0f}% interval {low:.3f} to {high:.3f})"
    )
