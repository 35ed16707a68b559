"""Choose how many pictures one call of a model takes: a default, and fewer if memory is short."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice
from steeldefect.runtimes.out_of_memory import is_out_of_memory

_Answer = TypeVar("_Answer")
_Inputs = npt.NDArray[Any]

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
    """Batches of a model's inputs, halved if memory runs out.

    Attributes:
        size: largest number of inputs in a batch.
    """

    def __init__(self, size: int) -> None:
        """Begin with batches of `size`."""
        self.size = size

    def ask(self, inputs: _Inputs, answer: Callable[[_Inputs], Float32]) -> Float32:
        """Compute the model's outputs for all inputs; see `each`."""
        answers = self.each(inputs, answer)
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def each(self, inputs: _Inputs, answer: Callable[[_Inputs], _Answer]) -> list[_Answer]:
        """Return the answers of all batches of the inputs, in order.

        If memory runs out, the batch is halved and runs again. Later calls keep the smaller size.

        Args:
            inputs: (n, ...), n at least 1.
            answer: runs the model on at most `size` inputs.

        Raises:
            DeviceError: the memory does not hold a single picture.
        """
        answers, start = [], 0
        while start < len(inputs):
            batch = inputs[start : start + self.size]
            try:
                answers.append(answer(batch))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self.size = _half(self._run_at_once(batch))
                continue
            start += len(batch)
        return answers

    def padded(self, batch: _Inputs) -> _Inputs:
        """Return the batch as the model takes it: here as it is."""
        return batch

    def _run_at_once(self, batch: _Inputs) -> int:
        """Return how many inputs the model had to hold for a batch."""
        return len(batch)


class FixedBatches(Batches):
    """Batches of exactly `size` inputs, so that a compiler sees one shape; halved as above.

    A last batch is padded with zeros, and whoever asks drops the answers of the padding. After a
    halving the model is compiled once more, for the smaller shape.
    """

    def padded(self, batch: _Inputs) -> _Inputs:
        """Return a batch of at most `size` inputs with zeros after it, up to `size`."""
        if len(batch) == self.size:
            return batch
        whole = np.zeros((self.size, *batch.shape[1:]), batch.dtype)
        whole[: len(batch)] = batch
        return whole

    def _run_at_once(self, batch: _Inputs) -> int:
        return self.size


def _half(pictures: int) -> int:
    """Return half of a number of pictures that memory did not hold.

    Raises:
        DeviceError: it was a single picture.
    """
    if pictures == 1:
        raise DeviceError(
            "out of memory with a single picture; let fewer tasks share the GPU "
            "(spark.task.resource.gpu.amount), or raise gpu_memory_mib"
        ) from None
    return pictures // 2


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
