"""The number of pictures in one call of a model."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.batches import Batches, FixedBatches, fitting_size

MIB = 2**20


class Device:
    """A device with memory for some pictures at once; it doubles every number."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def answer(self, batch: Float32) -> Float32:
        self.asked.append(len(batch))
        if len(batch) > self.room:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return 2 * batch


@pytest.mark.parametrize(
    ("room", "size", "asked", "left_at"),
    [
        (100, 4, [4, 4, 2], 4),
        (100, 16, [10], 16),
        (4, 8, [8, 4, 4, 2], 4),
        (1, 8, [8, 4, 2, *10 * [1]], 1),
        (3, 64, [10, 5, 2, 2, 2, 2, 2], 2),  # the batch is halved, not the size
    ],
)
def test_batches_are_halved_where_memory_runs_out(
    room: int, size: int, asked: list[int], left_at: int
) -> None:
    device, batches = Device(room), Batches(size)
    inputs = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.testing.assert_array_equal(batches.ask(inputs, device.answer), 2 * inputs)
    assert device.asked == asked
    assert batches.size == left_at


def test_memory_that_does_not_hold_one_picture_is_an_error() -> None:
    with pytest.raises(DeviceError, match="out of memory with a single picture; let fewer tasks"):
        Batches(4).ask(np.zeros((3, 2), np.float32), Device(0).answer)


@pytest.mark.parametrize(
    ("room", "size", "asked", "left_at"),
    [
        (100, 4, [4, 4, 4], 4),  # one shape, so that it is compiled once
        (100, 16, [16], 16),
        (4, 8, [8, 4, 4, 4], 4),
        (3, 64, [64, 32, 16, 8, 4, 2, 2, 2, 2, 2], 2),  # the size is halved: the padding counts
    ],
)
def test_fixed_batches_are_padded_and_halved(
    room: int, size: int, asked: list[int], left_at: int
) -> None:
    device, batches = Device(room), FixedBatches(size)
    inputs = np.arange(20, dtype=np.float32).reshape(10, 2)

    def answer(part: Float32) -> Float32:
        return device.answer(batches.padded(part))[: len(part)]

    np.testing.assert_array_equal(batches.ask(inputs, answer), 2 * inputs)
    assert device.asked == asked
    assert batches.size == left_at


def test_padding_is_zeros_and_leaves_the_batch_alone() -> None:
    batch = np.full((2, 3), 7, np.uint8)
    padded = FixedBatches(4).padded(batch)
    assert padded.dtype == np.uint8
    np.testing.assert_array_equal(padded, [[7] * 3, [7] * 3, [0] * 3, [0] * 3])
    np.testing.assert_array_equal(batch, 7)


def test_other_errors_are_not_taken_for_it() -> None:
    def broken(batch: Float32) -> Float32:
        raise ValueError(len(batch))

    with pytest.raises(ValueError, match="3"):
        Batches(4).ask(np.zeros((3, 2), np.float32), broken)


@pytest.mark.parametrize(
    ("free", "size"),
    [(None, 64), (800 * MIB, 64), (799 * MIB, 32), (100 * MIB, 8), (20 * MIB, 1), (1, 1)],
)
def test_the_first_batch_fits_into_free_memory(free: int | None, size: int) -> None:
    assert fitting_size(64, 10 * MIB, free) == size
