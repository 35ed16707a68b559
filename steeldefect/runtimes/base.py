"""The interface of a runtime."""

from __future__ import annotations

from typing import Protocol

from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.engine import Engine


class Runtime(Protocol):
    """A model that is ready to run, and its engine."""

    engine: Engine

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's outputs.

        Args:
            batch: float32 (n, height, width, channels), any n.

        Returns:
            float32 (n, ...): for a gate (n, 1), for a segmenter (n, height, width, classes).
        """
        ...
