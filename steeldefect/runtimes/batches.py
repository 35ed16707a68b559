"""How many pictures one call of a model takes: the defaults, and fewer where memory is short."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice

CPU_BATCH = 4
"""The most for one call on a CPU, where more only spills the caches; see `default_batch`."""

GPU_BATCH = 64
"""The most for one call on a GPU; what its free memory does not hold is halved."""

_SHARE = 0.8  # of free memory; the rest is for weights and the libraries' own needs


def default_batch(
    runtime: RuntimeChoice, device: DeviceChoice, precision: Precision, threads: int
) -> int:
    """Return how many pictures suit one call, where the settings do not say.

    On a GPU, `GPU_BATCH`. On a CPU: OpenVINO's models are compiled for a fixed batch, so that a
    last one that is not full costs as much as a full one. At f32 they are compiled for one picture
    on each thread, which is as fast as more (a second picture pushes the first one's values out of
    the core's cache). bf16 and int8 are for CPUs that compute them several times as fast as f32;
    many cores that read all weights for every single picture would there wait for memory, so that
    four pictures share one reading. Keras' graphs take any number.

    Args:
        runtime: not `auto`.
        device: not `auto`.
        precision: not `auto`.
        threads: of the model; 0 for all cores.
    """
    if device is DeviceChoice.GPU:
        return GPU_BATCH
    if runtime is RuntimeChoice.OPENVINO and precision is Precision.F32:
        return min(threads or len(os.sched_getaffinity(0)), CPU_BATCH)
    return CPU_BATCH


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
