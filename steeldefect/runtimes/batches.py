"""Batches for one call of a model: how many pictures, and fewer where memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32

_SHARE = 0.8  # of free memory; the rest is for weights and the libraries' own needs


class Batches:
    """Asks a model batch by batch; see `ask`."""

    def __init__(self, size: int, out_of_memory: type[Exception]) -> None:
        """Begin with batches of `size`; `out_of_memory` is what the model's library raises."""
        self.size = size
        self._out_of_memory = out_of_memory

    def ask(self, inputs: Float32, answer: Callable[[Float32], Float32]) -> Float32:
        """Ask about all inputs.

        Where memory runs out, the batch is halved and asked again; the size stays so for later
        calls.

        Args:
            inputs: float32 (n, ...), n of at least 1.
            answer: of the model, for at most `size` inputs.

        Raises:
            DeviceError: there is not memory enough for a single picture.
        """
        answers, start = [], 0
        while start < len(inputs):
            batch = inputs[start : start + self.size]
            try:
                answers.append(answer(batch))
            except self._out_of_memory:
                if len(batch) == 1:
                    raise DeviceError(
                        "out of memory with a single picture; let fewer tasks share the GPU "
                        "(spark.task.resource.gpu.amount), or raise gpu_memory_mib"
                    ) from None
                self.size = len(batch) // 2
                continue
            start += len(batch)
        return answers[0] if len(answers) == 1 else np.concatenate(answers)


def fitting_size(most: int, picture_bytes: int, free_bytes: int | None) -> int:
    """Tell with which batch to begin: a power of two, or `most` where it fits.

    Args:
        most: pictures.
        picture_bytes: that one picture takes inside the model.
        free_bytes: of the device; None: not known.
    """
    if free_bytes is None or most * picture_bytes <= _SHARE * free_bytes:
        return most
    fits = int(_SHARE * free_bytes) // picture_bytes
    return 1 << max(0, fits.bit_length() - 1)
