"""The detector: pictures in, gate probabilities and findings out. Arrays only, no Spark, no files.

prepared = [detector.prepare(picture) for picture in pictures]    # any thread
probabilities = detector.gate(prepared)                           # (n,), NaN without a gate
passed = detector.passes(probabilities)                           # (n,), all if the gate is soft
passing = [picture for picture, ok in zip(prepared, passed) if ok]
outlines = detector.segment(passing, probabilities[passed])       # one for each picture
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Manifest, Mirror
from steeldefect.detection import gating
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

    def gate(self, pictures: Sequence[Prepared]) -> Float32:
        """Compute the gate's probability of a defect for each picture.

        Returns:
            float32 (n,), calibrated by the bundle's temperature (see `gating.temper`); NaN if the
            model's output is not finite, and NaN for all pictures without a gate.
        """
        resized = [picture.for_gate for picture in pictures if picture.for_gate is not None]
        if self._gate is None or self.manifest.gate is None or not resized:
            return np.full(len(pictures), np.nan, dtype=np.float32)
        answers = self._gate.answer(resized, self.manifest.gate.input).reshape(len(pictures))
        return self._calibrated(answers)

    def _calibrated(self, answers: Float32) -> Float32:
        """Return a gate's answers, calibrated by its temperature; NaN where they are not finite."""
        finite = np.where(np.isfinite(answers), answers, np.float32(np.nan))
        gate = self.manifest.gate
        return finite if gate is None else gating.temper(finite, gate.temperature)

    def gate_stage(self) -> Stage[float]:
        """Return the gate as a stage of a task: probabilities as `gate` computes them."""
        gate = self.manifest.gate
        if isinstance(self._gate, OnDevice) and gate is not None:
            return GateOnDevice(self._gate.gate_queue(gate.input), self._calibrated)
        return AtOnce(lambda pictures: self.gate(pictures).tolist())

    def segmenter_stage(self, levels: Sequence[float] = ()) -> Stage[Float32 | PictureMaps]:
        """Return the segmenter as a stage of a task: what `outline` takes, for each picture.

        Args:
            levels: thresholds at which masks are kept as well; see `OutlineRules`.
        """
        if isinstance(self.segmenter, OnDevice):
            classes = tuple(self.manifest.classes)
            made = self.segmenter.segmenter_queue(self.manifest.segmenter, classes, tuple(levels))
            return SegmenterOnDevice(*made)
        return AtOnce(lambda pictures: list(self.maps(pictures, lent=True)))

    def passes(self, probabilities: Float32) -> npt.NDArray[np.bool_]:
        """Return which pictures go to the segmenter: bool (n,); see `gating.passes`.

        Without a gate, all pictures pass. A soft gate passes all pictures except those whose
        probability is NaN.
        """
        gate = self.manifest.gate
        if gate is None:
            return np.ones(len(probabilities), dtype=bool)
        return gating.passes(gate, probabilities)

    def segment(
        self, pictures: Sequence[Prepared], probabilities: Float32
    ) -> list[Outline | InferenceError]:
        """Compute the findings of pictures, measured in pixels.

        Args:
            pictures: prepared pictures that pass the gate.
            probabilities: float32 (n,), the result of `gate` for these pictures. A soft gate raises
                the minimum areas of pictures below its threshold; a hard gate does not use them.

        Returns:
            For each picture its outline, or an error if the model's output is not finite.
        """
        if not pictures:
            return []
        return [
            self.outline(maps, picture.shape, float(probability))
            for maps, picture, probability in zip(
                self.maps(pictures, lent=True), pictures, probabilities, strict=True
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
        probability: float,
        rules: OutlineRules = _IN_PIXELS,
    ) -> Outline | InferenceError:
        """Compute the findings of one picture from its class maps. Any thread may call this.

        Args:
            maps: one picture's answer: float32 (h, w, classes) of `maps`, or what
                `segmenter_stage` returns.
            shape: (height, width) of the picture.
            probability: the gate's probability; see `segment`.
            rules: how regions are measured; the area that a soft gate adds comes on top.

        Returns:
            The outline, or an error if the maps are not finite.
        """
        class_maps = ClassMaps(maps) if isinstance(maps, np.ndarray) else maps
        if not class_maps.finite:
            return InferenceError("the segmenter's answer is not finite")
        added = self._added_area(probability)
        if added:
            rules = replace(rules, added_area=rules.added_area + added)
        return outline_maps(class_maps, shape, self.manifest.classes, rules)

    def _added_area(self, probability: float) -> int:
        gate = self.manifest.gate
        if gate is None:
            return 0
        return int(gating.added_area(gate, np.array([probability], dtype=np.float32))[0])
