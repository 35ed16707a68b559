"""The detector: pictures in, gate probabilities and findings out. Arrays only, no Spark, no files.

prepared = [detector.prepare(picture) for picture in pictures]    # any thread
judged = detector.judge(prepared)                                 # (n,), NaN without a gate
passed = detector.passes(*judged)                                 # (n,), all if the gate is soft
passing = [picture for picture, ok in zip(prepared, passed) if ok]
outlines = detector.segment(passing, *(one[passed] for one in judged))  # one for each picture
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Manifest, Mirror
from steeldefect.detection import gating
from steeldefect.detection.novelty import GateAnswer, Judged, is_odd, novelty_of
from steeldefect.detection.outline import Outline, OutlineRules, outline_maps
from steeldefect.detection.prepared import Prepared
from steeldefect.detection.stages import AtOnce, GateOnDevice, SegmenterOnDevice, Stage
from steeldefect.detection.windows import ClassMaps, PictureMaps
from steeldefect.errors import InferenceError, PictureSizeError
from steeldefect.pictures.preprocessing import Float32, Gray, Resizer
from steeldefect.runtimes.base import OnDevice, Runtime
from steeldefect.runtimes.engine import Engine
from steeldefect.runtimes.shared import SharedSegmenter

_HEIGHT, _WIDTH = 0, 1  # axes of a picture
_MIRRORED = {
    Mirror.HORIZONTAL: (_WIDTH,),
    Mirror.VERTICAL: (_HEIGHT,),
    Mirror.BOTH: (_HEIGHT, _WIDTH),
}
_IN_PIXELS = OutlineRules()


class Detector:
    """Gate and segmenter of one bundle, with the bundle's thresholds."""

    def __init__(
        self, manifest: Manifest, gate: Runtime | None, segmenter: Runtime, any_size: bool = False
    ) -> None:
        """Combine opened models with the manifest of their bundle.

        Args:
            manifest: manifest of the bundle.
            gate: the opened gate; None for a bundle without a gate, which segments every picture.
            segmenter: the opened segmenter.
            any_size: true to score pictures of any size, even if the bundle does not admit it.
        """
        self.manifest = manifest
        self.segmenter = segmenter
        self._gate = gate
        self._any_size = any_size

    @property
    def engine(self) -> Engine:
        """The engine that runs the models."""
        return self.segmenter.engine

    @property
    def segmenter_batch(self) -> int:
        """Number of pictures that the segmenter takes at once."""
        if isinstance(self.segmenter, SharedSegmenter):
            return self.segmenter.at_once
        return self.engine.batch_size

    @property
    def has_gate(self) -> bool:
        """Whether the bundle has a gate."""
        return self.manifest.gate is not None

    def prepare(self, picture: Gray) -> Prepared:
        """Resize a decoded picture uint8 (H, W) for the models.

        Raises:
            PictureSizeError: the bundle does not admit pictures of this size.
        """
        return self.prepare_resized(Resizer(picture))

    def prepare_resized(self, resizer: Resizer) -> Prepared:
        """Do as `prepare` does; bundles that get the same resizer share what is resized.

        Raises:
            PictureSizeError: the bundle does not admit pictures of this size.
        """
        height, width = resizer.picture.shape
        sizes = self.manifest.picture_sizes
        if not self._any_size and not sizes.admit(height, width):
            raise PictureSizeError(
                f"{width}x{height} pixels; this bundle scores {sizes} (width x height)"
            )
        gate = self.manifest.gate
        return Prepared(
            (height, width),
            None if gate is None else resizer.to(gate.input),
            resizer.to(self.manifest.segmenter.input),
        )

    def judge(self, pictures: Sequence[Prepared]) -> Judged:
        """Compute the gate's probability of a defect for each picture, and its oddness.

        Probabilities are calibrated by the bundle's temperature and shift (see `gating.temper`).
        """
        resized = [picture.for_gate for picture in pictures if picture.for_gate is not None]
        if self._gate is None or self.manifest.gate is None or not resized:
            nothing = np.full(len(pictures), np.nan, dtype=np.float32)
            return Judged(nothing, nothing)
        return self._judged(self._gate.answer(resized, self.manifest.gate.input))

    def gate(self, pictures: Sequence[Prepared]) -> Float32:
        """Compute the probabilities alone, float32 (n,); see `judge`."""
        return self.judge(pictures).probability

    def _judged(self, answers: Float32) -> Judged:
        """Return what a gate says: (n,), or (n, 1 or 2) with the oddness as second column."""
        columns = answers.reshape(len(answers), -1)
        finite = np.isfinite(columns).all(axis=1)
        probability = np.where(finite, columns[:, 0], np.float32(np.nan))
        gate = self.manifest.gate
        if gate is not None:
            probability = gating.temper(probability, gate.temperature, gate.shift)
        if self.manifest.novelty is None:
            return Judged(probability, np.full(len(columns), np.nan, dtype=np.float32))
        return Judged(probability, np.where(finite, columns[:, 1], np.float32(np.nan)))

    def gate_stage(self) -> Stage[GateAnswer]:
        """Return the gate as a stage of a task: answers as `judge` computes them."""
        gate = self.manifest.gate
        if isinstance(self._gate, OnDevice) and gate is not None:
            return GateOnDevice(self._gate.gate_queue(gate.input), self._told)
        return AtOnce(lambda pictures: self.judge(pictures).each())

    def _told(self, answers: Float32) -> list[GateAnswer]:
        return self._judged(answers).each()

    def novelty(self, oddness: float) -> float | None:
        """Return the novelty of a picture, 1 at the limit; None if the bundle does not judge it."""
        return novelty_of(self.manifest.novelty, oddness)

    def segmenter_stage(self, levels: Sequence[float] = ()) -> Stage[Float32 | PictureMaps]:
        """Return the segmenter as a stage of a task: what `outline` takes, for each picture.

        Args:
            levels: thresholds at which masks are kept as well; see `OutlineRules`.
        """
        if isinstance(self.segmenter, OnDevice):
            classes = tuple(self.manifest.outlined_classes)
            made = self.segmenter.segmenter_queue(self.manifest.segmenter, classes, tuple(levels))
            return SegmenterOnDevice(*made)
        return AtOnce(lambda pictures: list(self.maps(pictures, lent=True)))

    def passes(
        self, probabilities: Float32, oddness: Float32 | None = None
    ) -> npt.NDArray[np.bool_]:
        """Return which pictures go to the segmenter: bool (n,); see `gating.passes`.

        Without a gate, all pictures pass. A soft gate passes all pictures except those whose
        probability is NaN. Pictures at or above the limit of oddness pass as well.

        Args:
            probabilities: float32 (n,), of `judge`.
            oddness: float32 (n,), of `judge`; None: no picture is odd.
        """
        gate = self.manifest.gate
        if gate is None:
            return np.ones(len(probabilities), dtype=bool)
        passed = gating.passes(gate, probabilities)
        return passed if oddness is None else passed | is_odd(self.manifest.novelty, oddness)

    def segment(
        self,
        pictures: Sequence[Prepared],
        probabilities: Float32,
        oddness: Float32 | None = None,
        rules: OutlineRules = _IN_PIXELS,
    ) -> list[Outline | InferenceError]:
        """Compute the findings of pictures, measured in pixels.

        Args:
            pictures: prepared pictures that pass the gate.
            probabilities: float32 (n,), the result of `judge` for these pictures. A soft gate
                raises the minimum areas of pictures below its threshold; a hard gate does not use
                them.
            oddness: float32 (n,), the same; None: no picture is odd.
            rules: how regions are measured.

        Returns:
            For each picture its outline, or an error if the model's output is not finite.
        """
        if not pictures:
            return []
        if oddness is None:
            oddness = np.full(len(pictures), np.nan, dtype=np.float32)
        answers = Judged(probabilities, oddness).each()
        return [
            self.outline(maps, picture.shape, answer, rules)
            for maps, picture, answer in zip(
                self.maps(pictures, lent=True), pictures, answers, strict=True
            )
        ]

    def maps(self, pictures: Sequence[Prepared], *, lent: bool = False) -> Float32:
        """Compute the segmenter's class maps.

        If the bundle names mirrors, the segmenter also runs on mirrored copies, in one call for
        each mirror. Their maps are mirrored back, and the result is the mean of all maps.

        Args:
            pictures: at least one prepared picture.
            lent: whether the next call may overwrite the result; saves a copy.

        Returns:
            float32 (n, height, width, classes), probabilities at the model's own size.
        """
        spec = self.manifest.segmenter.input
        resized = [picture.for_segmenter for picture in pictures]
        maps = self.segmenter.answer(resized, spec)
        mirrors = self.manifest.segmenter.mirrors
        if not mirrors:
            return maps if lent else maps.copy()
        total = maps.copy()
        for mirror in mirrors:
            axes = _MIRRORED[mirror]
            copies = [np.ascontiguousarray(np.flip(one, axes)) for one in resized]
            total += np.flip(self.segmenter.answer(copies, spec), tuple(axis + 1 for axis in axes))
        return np.asarray(total / np.float32(1 + len(mirrors)))

    def outline(
        self,
        maps: Float32 | PictureMaps,
        shape: tuple[int, int],
        answer: GateAnswer,
        rules: OutlineRules = _IN_PIXELS,
    ) -> Outline | InferenceError:
        """Compute the findings of one picture from its class maps. Any thread may call this.

        The class of the unknown is outlined only on pictures at or above the limit of oddness, and
        only where no finding of another class is.

        Args:
            maps: one picture's answer: float32 (h, w, classes) of `maps`, or what
                `segmenter_stage` returns.
            shape: (height, width) of the picture.
            answer: what the gate says of the picture; see `segment`.
            rules: how regions are measured; the area that a soft gate adds comes on top.

        Returns:
            The outline, or an error if the maps are not finite.
        """
        class_maps = ClassMaps(maps) if isinstance(maps, np.ndarray) else maps
        if not class_maps.finite:
            return InferenceError("the segmenter's answer is not finite")
        added = self._added_area(answer.probability)
        if added:
            rules = replace(rules, added_area=rules.added_area + added)
        novelty = self.manifest.novelty
        unknown = None if novelty is None else novelty.unknown
        classes = self.manifest.outlined_classes
        if unknown is not None and not answer.is_odd(novelty):
            classes = [one for one in classes if one.id != unknown.id]
        return outline_maps(class_maps, shape, classes, rules, unknown)

    def _added_area(self, probability: float) -> int:
        gate = self.manifest.gate
        if gate is None:
            return 0
        return int(gating.added_area(gate, np.array([probability], dtype=np.float32))[0])
