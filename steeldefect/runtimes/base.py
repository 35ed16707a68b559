"""The interface of a runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from steeldefect.bundle.manifest import DefectClass, Segmenter
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, scale_batch
from steeldefect.runtimes.engine import Engine

if TYPE_CHECKING:
    from steeldefect.runtimes.device_program import DeviceQueue


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


@runtime_checkable
class OnDevice(Protocol):
    """A runtime on a GPU, which does more there than run the model, and reads ahead."""

    def gate_queue(self, spec: InputSpec) -> DeviceQueue[Any, Float32]:
        """Return a queue that takes uint8 (n, h, w) and answers with probabilities, float32 (n,).

        Args:
            spec: input of the gate.
        """
        ...

    def segmenter_queue(
        self, segmenter: Segmenter, classes: tuple[DefectClass, ...], levels: tuple[float, ...]
    ) -> tuple[DeviceQueue[Any, list[Any]], Callable[..., Any]]:
        """Return a queue that takes pictures and answers with masks, and what makes its batches.

        Args:
            segmenter: part of the manifest.
            classes: classes of the bundle, with thresholds.
            levels: further thresholds for each class.
        """
        ...
