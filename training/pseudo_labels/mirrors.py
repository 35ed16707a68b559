"""Ask a bundle again about mirrored copies of a picture: a sure answer does not change with them.

A defect is the same defect in a mirror. An answer that a mirror changes depends on something else
than the defect. (Consistency under such changes is a common test of pseudo-labels, for example in
Sohn et al., "FixMatch", 2020.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from steeldefect.bundle.files import Bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import GateAnswer
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Outline
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32, Gray
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from training.pseudo_labels.choose import CLEAN, DEFECT, GATED, Label
from training.pseudo_labels.evidence import Limits
from training.pseudo_labels.measure import MEASURED, far_from_findings, well_below_gate

LEAST_DICE = 0.8
"""Least Dice of the masks of each class on the copies with those on the picture, pooled over the
copies."""

OPTIONS = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.AUTO, threads=0)

_COPIES: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (0, 1))
"""Mirrored axes of the copies: none, horizontal, vertical, both."""


def open_without_mirrors(bundle: Bundle) -> Detector:
    """Open a bundle that does not average over mirrored copies itself.

    A bundle that does would agree with itself on all copies, whatever it says.
    """
    segmenter = bundle.manifest.segmenter.model_copy(update={"mirrors": []})
    manifest = bundle.manifest.model_copy(update={"segmenter": segmenter})
    return open_detector(replace(bundle, manifest=manifest), OPTIONS)


@dataclass(frozen=True)
class _Look:
    """What a bundle says of one copy.

    Attributes:
        answer: what the gate says.
        maps: float32 (h, w, classes), mirrored back; None if the gate stopped the copy.
        outline: the findings, mirrored back; of a stopped copy, there are none.
    """

    answer: GateAnswer
    maps: Float32 | None
    outline: Outline

    @property
    def masks(self) -> dict[int, run_lengths.Runs]:
        """Run lengths by class."""
        return {one.defect_class.id: one.runs for one in self.outline.findings}


@dataclass(frozen=True)
class Mirrors:
    """A test of answers on mirrored copies.

    Attributes:
        detector: a bundle of `open_without_mirrors`.
        limits: how sure labels must be.
    """

    detector: Detector
    limits: Limits

    def label(self, pixels: Gray, verdict: str, class_ids: Sequence[int]) -> Label | None:
        """Return the label of a picture, from the mean of the maps of all copies.

        Args:
            pixels: uint8 (height, width).
            verdict: what the tables say: `gated`, `clean` or `defect`.
            class_ids: classes found, as the tables say.

        Returns:
            None if the copies disagree: a class appears or vanishes, the masks of a class overlap
            too little, or a clean picture is not confidently clean on each copy.

        Raises:
            PictureSizeError: the bundle does not admit pictures of this size.
        """
        looks = self._look(pixels)
        if looks is None:
            return None
        by_verdict = {GATED: self._gated, CLEAN: self._quiet}
        if verdict == DEFECT:
            return self._defects(looks, set(class_ids), (pixels.shape[0], pixels.shape[1]))
        return by_verdict[verdict](looks)

    def _look(self, pixels: Gray) -> list[_Look] | None:
        """Ask about all copies; None if an answer is not finite."""
        detector = self.detector
        prepared = [
            detector.prepare(np.ascontiguousarray(np.flip(pixels, axes))) for axes in _COPIES
        ]
        judged = detector.judge(prepared)
        if detector.has_gate and not np.isfinite(judged.probability).all():
            return None
        passed = detector.passes(*judged).tolist()
        passing = [one for one, passes in zip(prepared, passed, strict=True) if passes]
        maps = iter(detector.maps(passing)) if passing else iter(())
        looks = []
        for axes, answer, passes in zip(_COPIES, judged.each(), passed, strict=True):
            if not passes:
                looks.append(_Look(answer, None, Outline()))
                continue
            back = np.ascontiguousarray(np.flip(next(maps), axes))
            outline = detector.outline(back, pixels.shape, answer, MEASURED)
            if not isinstance(outline, Outline):
                return None
            looks.append(_Look(answer, back, outline))
        return looks

    def _gated(self, looks: Sequence[_Look]) -> Label | None:
        """Return a clean label if the gate stops all copies well below its threshold."""
        probability = np.array([look.answer.probability for look in looks], np.float32)
        greatest = float(probability.max())
        stopped = all(look.maps is None for look in looks)
        below = well_below_gate(self.detector, probability)
        if stopped and below and self.limits.supports_gated(greatest):
            return Label.of_clean(greatest)
        return None

    def _quiet(self, looks: Sequence[_Look]) -> Label | None:
        """Return a clean label if nothing is near a threshold on any copy that is segmented."""
        classes = self.detector.manifest.classes
        peaks = [far_from_findings(look.maps, classes) for look in looks if look.maps is not None]
        greatest = [peak for peak in peaks if peak is not None]
        far = bool(greatest) and len(greatest) == len(peaks)
        nothing = all(not look.masks and not look.outline.rejected_count for look in looks)
        if far and nothing and self.limits.supports_quiet(max(greatest)):
            return Label.of_clean(max(greatest))
        return None

    def _defects(
        self, looks: Sequence[_Look], class_ids: set[int], shape: tuple[int, int]
    ) -> Label | None:
        maps = [look.maps for look in looks if look.maps is not None]
        if len(maps) < len(looks) or any(set(look.masks) != class_ids for look in looks):
            return None
        masks = [look.masks for look in looks]
        if min(_pooled_dice(masks, number) for number in class_ids) < LEAST_DICE:
            return None
        probability = float(np.mean([look.answer.probability for look in looks]))
        answer = GateAnswer(probability, looks[0].answer.oddness)
        mean = np.asarray(np.mean(maps, axis=0, dtype=np.float32))
        outline = self.detector.outline(mean, shape, answer, MEASURED)
        if not isinstance(outline, Outline) or not self._sure(outline, class_ids):
            return None
        return Label.of_defects(
            {one.defect_class.id: one.runs for one in outline.findings},
            {one.defect_class.id: one.mean_probability for one in outline.findings},
        )

    def _sure(self, outline: Outline, class_ids: set[int]) -> bool:
        found = {one.defect_class.id for one in outline.findings}
        return (
            found == class_ids
            and outline.rejected_count == 0
            and all(
                self.limits.supports(one.defect_class.id, region.mean_probability)
                for one in outline.findings
                for region in one.regions
            )
        )


def _pooled_dice(masks: Sequence[dict[int, run_lengths.Runs]], class_id: int) -> float:
    """Return the Dice of the first mask of a class with all others, added up."""
    first, *others = (one[class_id] for one in masks)
    common = sum(run_lengths.overlap(first, other) for other in others)
    areas = sum(run_lengths.area(first) + run_lengths.area(other) for other in others)
    return 2 * common / areas
