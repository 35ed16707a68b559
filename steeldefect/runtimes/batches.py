"""Choose how many pictures one call of a model takes: a default, and fewer if memory is short."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice

CPU_BATCH = 4
"""Largest default batch on a CPU; a larger one only overflows the caches (see `default_batch`)."""

GPU_BATCH = 64
"""Default batch on a GPU; it is made smaller if the free memory does not hold it."""

_SHARE = 0.8  # share of free memory for a batch; the rest is for weights and libraries


def default_batch(
    runtime: RuntimeChoice, device: DeviceChoice, precision: Precision, threads: int
) -> int:
    """Return the batch size for settings that name none.

    On a GPU: `GPU_BATCH`.

    On a CPU with OpenVINO, a model is compiled for a fixed batch size, so a last batch that is not
    full costs as much as a full one. At f32 the batch has one picture for each thread, up to
    `CPU_BATCH`. More pictures are not faster: a second picture pushes the values of the first one
    out of the core's cache. bf16 and int8 are for CPUs that compute them several times as fast as
    f32. There, many cores would wait for memory if they read all weights for every single picture,
    so `CPU_BATCH` pictures share one reading.

    On a CPU with TensorFlow: `CPU_BATCH`; Keras' graphs take any number.

    Args:
        runtime: not `auto`.
        device: not `auto`.
        precision: not `auto`.
        threads: CPU threads of the model; 0 for all cores.
    """
    if device is DeviceChoice.GPU:
        return GPU_BATCH
    if runtime is RuntimeChoice.OPENVINO and precision is Precision.F32:
        return min(threads or len(os.sched_getaffinity(0)), CPU_BATCH)
    return CPU_BATCH


class Batches:
    """Batches of a model's inputs, halved if memory runs out."""

    def __init__(self, size: int, out_of_memory: type[Exception]) -> None:
        """Begin with batches of `size`; the model's library raises `out_of_memory`."""
        self.size = size
        self._out_of_memory = out_of_memory

    def ask(self, inputs: Float32, answer: Callable[[Float32], Float32]) -> Float32:
        """Compute the model's outputs for all inputs.

        If memory runs out, the batch is halved and runs again. Later calls keep the smaller size.

        Args:
            inputs: float32 (n, ...), n at least 1.
            answer: runs the model on at most `size` inputs, and returns its outputs.

        Raises:
            DeviceError: the memory does not hold a single picture.
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
    """Return the first batch size: `most` if it fits, else the largest power of two that fits.

    Args:
        most: largest number of pictures.
        picture_bytes: bytes that one picture takes inside the model.
        free_bytes: free memory of the device in bytes; None if unknown.

    Returns:
        A number of pictures, at least 1.
    """
    if free_bytes is None or most * picture_bytes <= _SHARE * free_bytes:
        return most
    fits = int(_SHARE * free_bytes) // picture_bytes
    return 1 << max(0, fits.bit_length() - 1)
