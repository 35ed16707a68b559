"""The number of pictures in one call of a model."""

from __future__ import annotations

import numpy as np
import pytest

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.batches import Batches, fitting_size

MIB = 2**20


class OutOfMemoryError(Exception):
    """The error that a library would raise."""


class Device:
    """A device with memory for some pictures at once; it doubles every number."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def answer(self, batch: Float32) -> Float32:
        self.asked.append(len(batch))
        if len(batch) > self.room:
            raise OutOfMemoryError
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
    device, batches = Device(room), Batches(size, OutOfMemoryError)
    inputs = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.testing.assert_array_equal(batches.ask(inputs, device.answer), 2 * inputs)
    assert device.asked == asked
    assert batches.size == left_at


def test_memory_that_does_not_hold_one_picture_is_an_error() -> None:
    with pytest.raises(DeviceError, match="out of memory with a single picture; let fewer tasks"):
        Batches(4, OutOfMemoryError).ask(np.zeros((3, 2), np.float32), Device(0).answer)


def test_other_errors_are_not_taken_for_it() -> None:
    def broken(batch: Float32) -> Float32:
        raise ValueError(len(batch))

    with pytest.raises(ValueError, match="3"):
        Batches(4, OutOfMemoryError).ask(np.zeros((3, 2), np.float32), broken)


@pytest.mark.parametrize(
    ("free", "size"),
    [(None, 64), (800 * MIB, 64), (799 * MIB, 32), (100 * MIB, 8), (20 * MIB, 1), (1, 1)],
)
def test_the_first_batch_fits_into_free_memory(free: int | None, size: int) -> None:
    assert fitting_size(64, 10 * MIB, free) == size
