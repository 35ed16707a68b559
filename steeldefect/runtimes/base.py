"""The interface of a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, scale_batch
from steeldefect.runtimes.engine import Engine


class Runtime(Protocol):
    """A model that is ready to run, and its engine. Classes that inherit it get `answer`."""

    engine: Engine

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's outputs.

        Args:
            batch: float32 (n, height, width, channels), any n.

        Returns:
            float32 (n, ...): for a gate (n, 1), for a segmenter (n, height, width, classes).
        """
        ...

    def answer(self, pictures: Sequence[Gray], spec: InputSpec) -> Float32:
        """Scale resized pictures, and compute the model's outputs for them.

        Args:
            pictures: at least one picture, uint8 (height, width).
            spec: input of the model.

        Returns:
            As `predict` does. The array may be overwritten by the next call.
        """
        return self.predict(scale_batch(pictures, spec))
