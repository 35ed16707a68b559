"""Run a network whose first part is the gate, and whose second part is the segmenter.

The gate's model gives a probability and features for each picture. The segmenter's model takes
these features, not pictures (`steeldefect.bundle.manifest.Gate.shared`). On CPUs, the segmenter
goes on from the features that the gate has just computed. On GPUs, both run as whole models
(`steeldefect.runtimes.keras_files.load_model_of_pictures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec
from steeldefect.runtimes.base import Runtime

if TYPE_CHECKING:
    from steeldefect.runtimes.openvino import Arrays, OpenVinoRuntime


class SharedGate(Runtime):
    """The first part as a gate of pictures. It keeps the features of its last pictures."""

    def __init__(self, part: OpenVinoRuntime) -> None:
        """Set the compiled model."""
        self.engine = part.engine
        self._part = part
        self._pictures: list[Gray] = []
        self._features: Arrays = ()

    def predict(self, batch: Float32) -> Float32:
        """Compute probabilities; see `Runtime.predict`."""
        return self._part.predict(batch)

    def answer(self, pictures: Sequence[Gray], spec: InputSpec) -> Float32:
        """Compute probabilities, and keep the features; see `Runtime.answer`."""
        probability, *features = self._part.answer_all(pictures, spec)
        self._pictures, self._features = list(pictures), tuple(features)
        return np.asarray(probability)

    def features_of_batch(self, batch: Float32) -> Arrays:
        """Compute the features of n scaled pictures; nothing is kept."""
        return self._part.predict_all([batch])[1:]

    def features_of(self, picture: Gray, spec: InputSpec) -> Arrays:
        """Return the features of one picture, arrays (1, ...), in the memory of the model.

        They are computed only if the picture was not among the last ones that `answer` got. A
        picture is known by its array, not by its values.
        """
        for place, known in enumerate(self._pictures):
            if known is picture:
                return tuple(one[place : place + 1] for one in self._features)
        self.answer([picture], spec)
        return tuple(one[:1] for one in self._features)


class SharedSegmenter(Runtime):
    """Both parts as one segmenter of pictures, which goes on where the gate ended.

    Attributes:
        engine: engine of the second part, with the gate's batch size.
    """

    at_once = 1
    """Number of pictures in one call of the second part: none waits until others have passed."""

    def __init__(self, gate: SharedGate, rest: OpenVinoRuntime) -> None:
        """Join the gate and the compiled model that takes its features."""
        self.engine = replace(rest.engine, batch_size=gate.engine.batch_size)
        self._gate = gate
        self._rest = rest

    def predict(self, batch: Float32) -> Float32:
        """Compute class maps with both parts; see `Runtime.predict`."""
        return np.asarray(self._rest.predict_all(self._gate.features_of_batch(batch))[0])

    def answer(self, pictures: Sequence[Gray], spec: InputSpec) -> Float32:
        """Compute class maps, from the gate's features where it has just seen a picture."""
        if len(pictures) == 1:
            return self._rest.go_on(self._gate.features_of(pictures[0], spec))
        # a picture that the gate has not seen replaces the features of those that it has
        return np.concatenate([self.answer([one], spec).copy() for one in pictures])
