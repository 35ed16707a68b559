"""Ask a bundle about labelled pictures, and say which of its answers are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.detector import Detector
from steeldefect.detection.gating import reaches_threshold
from steeldefect.detection.novelty import GateAnswer
from steeldefect.detection.outline import Finding, Outline, OutlineRules
from steeldefect.errors import InferenceError
from steeldefect.evaluation.defect_matching import match_defects
from steeldefect.pictures.preprocessing import Float32
from steeldefect.program.progress import followed
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import GatedBatch, run_gate
from training.pseudo_labels.evidence import CLEAN_MARGIN, Answer, Limits, choose_limit

RIGHT_IOU = 0.5
"""Least IoU of a right region with a true one, as `evaluation.iou` is by default. A region that
covers less would teach a wrong outline."""

MEASURED = OutlineRules(measured=True)


@dataclass
class Answers:
    """Answers of a bundle on labelled pictures.

    Attributes:
        regions: the regions found, by class; a region is right if a true region of its class has
            an IoU of `RIGHT_IOU` or more with it.
        gated: for pictures well below the gate's threshold, 1 - gate probability; right if clean.
        quiet: for segmented pictures without a finding and far from one, 1 - greatest probability
            of a pixel; right if clean.
    """

    regions: dict[int, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    gated: list[Answer] = field(default_factory=list)
    quiet: list[Answer] = field(default_factory=list)

    def limits(self, precision: float) -> Limits:
        """Choose how sure labels must be; see `choose_limit`."""
        chosen = {
            number: choose_limit(answers, precision)
            for number, answers in sorted(self.regions.items())
        }
        return Limits(
            {number: one for number, one in chosen.items() if one is not None},
            choose_limit(self.gated, precision),
            choose_limit(self.quiet, precision),
        )


def measure(detector: Detector, pictures: Sequence[LabelledPicture]) -> Answers:
    """Run a bundle over labelled pictures, as scoring does, and compare its answers.

    Progress goes to standard error.

    Args:
        detector: the opened bundle.
        pictures: pictures; those whose masks nobody drew are left out.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: an output of a model is not finite; the message names the picture.
    """
    answers = Answers()
    known = [picture for picture in pictures if picture.outlined]
    batches = run_gate(detector, known)
    seen = (one for batch in batches for one in _add(answers, detector, batch))
    for _ in followed(seen, len(known), "measuring on the validation part", "pictures"):
        pass
    return answers


def far_from_findings(maps: Float32, classes: Sequence[DefectClass]) -> float | None:
    """Return the greatest probability of a pixel, if all classes stay far below their thresholds.

    Args:
        maps: float32 (h, w, classes or more): class maps of one picture.
        classes: classes of the maps, in their order.

    Returns:
        The greatest probability; None if that of a class is above `CLEAN_MARGIN` times its
        threshold.
    """
    peaks = maps[..., : len(classes)].max(axis=(0, 1))
    thresholds = np.array([one.pixel_threshold for one in classes], dtype=np.float32)
    return float(peaks.max()) if (peaks <= CLEAN_MARGIN * thresholds).all() else None


def well_below_gate(detector: Detector, probability: Float32) -> bool:
    """Return whether all probabilities are at or below `CLEAN_MARGIN` times the gate's threshold.

    Args:
        detector: the opened bundle; without a gate, nothing is below its threshold.
        probability: float32 (n,), of the gate.
    """
    gate = detector.manifest.gate
    if gate is None:
        return False
    stopped = not reaches_threshold(gate, probability).any()
    return stopped and bool((probability <= np.float32(CLEAN_MARGIN * gate.threshold)).all())


def _add(answers: Answers, detector: Detector, batch: GatedBatch) -> Iterator[LabelledPicture]:
    """Add the answers on a batch; yield its pictures."""
    passed = detector.passes(batch.probabilities, batch.oddness)
    passing = [one for one, passes in zip(batch.prepared, passed, strict=True) if passes]
    maps = iter(detector.maps(passing)) if passing else iter(())
    for picture, answer, passes in zip(
        batch.pictures, batch.judged.each(), passed.tolist(), strict=True
    ):
        if passes:
            _add_segmented(answers, detector, picture, next(maps), answer)
        elif well_below_gate(detector, np.array([answer.probability], np.float32)):
            answers.gated.append(Answer(1 - answer.probability, not picture.defective))
        yield picture


def _add_segmented(
    answers: Answers,
    detector: Detector,
    picture: LabelledPicture,
    maps: Float32,
    answer: GateAnswer,
) -> None:
    outline = detector.outline(maps, picture.shape, answer, MEASURED)
    if isinstance(outline, InferenceError):
        raise InferenceError(f"{picture.name}: {outline}; fit the segmenter again")
    for finding in outline.findings:
        found = answers.regions[finding.defect_class.id]
        found += _judged(finding, picture)
    greatest = None if _found_any(outline) else far_from_findings(maps, detector.manifest.classes)
    if greatest is not None:
        answers.quiet.append(Answer(1 - greatest, not picture.defective))


def _found_any(outline: Outline) -> bool:
    return bool(outline.findings) or outline.rejected_count > 0


def _judged(finding: Finding, picture: LabelledPicture) -> Iterator[Answer]:
    """Yield the regions of a finding; an IoU above 0.5 matches at most one region of each side."""
    truth = picture.runs.get(finding.defect_class.id)
    for region in finding.regions:
        right = truth is not None and bool(
            len(match_defects(truth, region.runs, picture.shape, RIGHT_IOU).iou)
        )
        yield Answer(region.mean_probability, right)
