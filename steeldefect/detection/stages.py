"""Run a model batch by batch: at once on a CPU, reading ahead on a GPU.

A stage takes batches of pictures, and returns an answer for each picture, in order. On a GPU, the
answers of a batch come with a later call, because the host prepares the next batch while the device
computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from steeldefect.detection.novelty import GateAnswer
from steeldefect.detection.prepared import Prepared
from steeldefect.detection.windows import DeviceMaps
from steeldefect.pictures.preprocessing import Float32

if TYPE_CHECKING:
    from steeldefect.runtimes.device_program import DeviceQueue

Answer_co = TypeVar("Answer_co", covariant=True)
Answer = TypeVar("Answer")


class Stage(Protocol[Answer_co]):
    """One model of a task."""

    def push(self, pictures: Sequence[Prepared]) -> Sequence[Answer_co]:
        """Start a batch; return the answers that are ready, of the oldest pictures first.

        Class maps are lent: the next call may overwrite them.
        """
        ...

    def drain(self) -> Sequence[Answer_co]:
        """Return the answers that are left."""
        ...


class AtOnce(Generic[Answer]):
    """A stage that answers each batch at once."""

    def __init__(self, answer: Callable[[Sequence[Prepared]], Sequence[Answer]]) -> None:
        """Set the function that answers a batch."""
        self._answer = answer

    def push(self, pictures: Sequence[Prepared]) -> Sequence[Answer]:
        """Answer a batch; see `Stage`."""
        return self._answer(pictures)

    def drain(self) -> Sequence[Answer]:
        """Return nothing: all is answered."""
        return []


class GateOnDevice:
    """A gate on a GPU, reading ahead."""

    def __init__(
        self, queue: DeviceQueue[Any, Float32], told: Callable[[Float32], list[GateAnswer]]
    ) -> None:
        """Set the queue of the gate's program, and what reads and calibrates its answers."""
        self._queue = queue
        self._told = told

    def push(self, pictures: Sequence[Prepared]) -> Sequence[GateAnswer]:
        """Start a batch; see `Stage`."""
        resized = [one.for_gate for one in pictures if one.for_gate is not None]
        return self._each_told(self._queue.push(np.stack(resized)))

    def drain(self) -> Sequence[GateAnswer]:
        """Return the answers that are left."""
        return self._each_told(self._queue.drain())

    def _each_told(self, answers: Sequence[Float32]) -> list[GateAnswer]:
        return [one for answer in answers for one in self._told(answer)]


class SegmenterOnDevice:
    """A segmenter on a GPU, reading ahead."""

    def __init__(self, queue: DeviceQueue[Any, list[Any]], batch_of: Callable[..., Any]) -> None:
        """Set the queue of the segmenter's program.

        Args:
            queue: takes batches, and answers with `PictureMasks`.
            batch_of: returns a batch, given pictures uint8 (n, h, w) and their (height, width)
                before they were resized.
        """
        self._queue = queue
        self._batch_of = batch_of

    def push(self, pictures: Sequence[Prepared]) -> Sequence[DeviceMaps]:
        """Start a batch, in pieces if pictures differ in size; see `Stage`."""
        answers: list[Any] = []
        for shape, group in groupby(pictures, lambda one: one.shape):
            stacked = np.stack([one.for_segmenter for one in group])
            answers += self._queue.push(self._batch_of(stacked, shape))
        return list(_each(answers))

    def drain(self) -> Sequence[DeviceMaps]:
        """Return the answers that are left."""
        return list(_each(self._queue.drain()))


def _each(answers: Sequence[list[Any]]) -> Iterator[DeviceMaps]:
    return (DeviceMaps(one) for answer in answers for one in answer)
