"""Run a detector over labelled pictures, in small batches: the gate alone, or both models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import Judged
from steeldefect.detection.outline import Outline, OutlineRules
from steeldefect.detection.prepared import Prepared
from steeldefect.errors import InferenceError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from training.data.dataset import LabelledPicture
from training.evaluation.region_outcomes import RegionOutcome, region_outcomes

_AT_A_TIME = 8  # pictures in memory at the same time
_MASKS_ONLY = OutlineRules()
_NOTHING = Outline()

Masks = dict[int, run_lengths.Runs]
"""Run lengths of a picture's masks, by class."""


@dataclass(frozen=True)
class GatedBatch:
    """A batch of pictures with the gate's probabilities.

    Attributes:
        pictures: n pictures.
        prepared: model inputs of the pictures, in the same order.
        probabilities: float32 (n,), the gate's probabilities; NaN without a gate.
        oddness: float32 (n,); NaN if the bundle does not judge it.
    """

    pictures: Sequence[LabelledPicture]
    prepared: list[Prepared]
    probabilities: Float32
    oddness: Float32

    @property
    def judged(self) -> Judged:
        """What the gate says of all pictures."""
        return Judged(self.probabilities, self.oddness)


@dataclass(frozen=True)
class PictureResult:
    """The result of a detector on one picture.

    Attributes:
        picture: picture with its true masks.
        probability: the gate's probability; NaN without a gate.
        oddness: oddness of its oddest place; NaN if the bundle does not judge it.
        passed: whether the picture reached the segmenter.
        masks: final masks; empty if the gate stopped the picture.
        regions: regions of these masks, compared with the truth; empty if the true masks are not
            known, or regions were not measured.
    """

    picture: LabelledPicture
    probability: float
    oddness: float
    passed: bool
    masks: Masks
    regions: tuple[RegionOutcome, ...] = ()


def run_gate(detector: Detector, pictures: Sequence[LabelledPicture]) -> Iterator[GatedBatch]:
    """Read pictures, prepare them and run the gate; yield batches, so that memory stays bounded.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: a probability of the gate is not finite; the message names the picture.
    """
    for start in range(0, len(pictures), _AT_A_TIME):
        some = pictures[start : start + _AT_A_TIME]
        prepared = [detector.prepare(picture.read()) for picture in some]
        probabilities, oddness = detector.judge(prepared)
        if detector.has_gate and np.isnan(probabilities).any():
            name = some[int(np.isnan(probabilities).argmax())].name
            raise InferenceError(f"{name}: the gate's answer is not finite; fit the gate again")
        yield GatedBatch(some, prepared, probabilities, oddness)


def run_detector(detector: Detector, pictures: Sequence[LabelledPicture]) -> list[PictureResult]:
    """Run both models over labelled pictures, in the same way as scoring.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: a model's output is not finite; the message names the picture.
    """
    rules = OutlineRules(measured=True)
    return [
        one
        for batch in run_gate(detector, pictures)
        for one in segment_batch(detector, batch, rules)
    ]


def segment_batch(
    detector: Detector, batch: GatedBatch, rules: OutlineRules = _MASKS_ONLY
) -> Iterator[PictureResult]:
    """Run the segmenter on the pictures of a batch that pass; yield a result for each picture.

    Args:
        detector: detector with opened models.
        batch: pictures with the gate's probabilities.
        rules: how regions are measured.

    Raises:
        InferenceError: an output of the segmenter is not finite; the message names the picture.
    """
    passed = detector.passes(batch.probabilities, batch.oddness)
    passing = [one for one, passes in zip(batch.prepared, passed, strict=True) if passes]
    answers = batch.probabilities[passed], batch.oddness[passed]
    outlines = iter(detector.segment(passing, *answers, rules))
    for picture, probability, oddness, passes in zip(
        batch.pictures,
        batch.probabilities.tolist(),
        batch.oddness.tolist(),
        passed.tolist(),
        strict=True,
    ):
        outline = _checked(next(outlines), picture) if passes else _NOTHING
        regions = region_outcomes(outline, picture, detector.manifest.novelty)
        masks = masks_of(outline, picture)
        yield PictureResult(picture, probability, oddness, passes, masks, regions)


def masks_of(outline: Outline | InferenceError, picture: LabelledPicture) -> Masks:
    """Return the final masks of a picture by class.

    Raises:
        InferenceError: the segmenter's output is not finite; the message names the picture.
    """
    found = _checked(outline, picture).findings
    return {finding.defect_class.id: finding.runs for finding in found}


def _checked(outline: Outline | InferenceError, picture: LabelledPicture) -> Outline:
    if isinstance(outline, InferenceError):
        raise InferenceError(f"{picture.name}: {outline}; fit the segmenter again")
    return outline
