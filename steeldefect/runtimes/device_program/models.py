"""The gate and the segmenter as device programs: pictures in, probabilities or masks out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Segmenter
from steeldefect.pictures.preprocessing import Float32, InputSpec
from steeldefect.runtimes.batches import FixedBatches
from steeldefect.runtimes.device_program.answers import PictureMasks
from steeldefect.runtimes.device_program.compiling import Placement, Tensors, compiled, to_host
from steeldefect.runtimes.device_program.program import (
    Plane,
    chosen_maps,
    class_maps,
    gate_probabilities,
    packed_masks,
)
from steeldefect.runtimes.device_program.queue import DeviceQueue, Steps, completed, side_by_side

Pictures = npt.NDArray[np.uint8]
"""Gray pictures, resized for the model but not scaled: uint8 (n, h, w), n at least 1."""

_SIZES_KEPT = 16  # sizes of pictures whose masks stay compiled; the models do not depend on them
_MAPS_AT_ONCE = 8  # class maps in one request: one compiled shape, and few requests in a batch


class SizedPictures(NamedTuple):
    """A batch for the segmenter.

    Attributes:
        pictures: resized pictures.
        shape: (height, width) of all of them before that.
    """

    pictures: Pictures
    shape: tuple[int, int]


class GateProgram:
    """A gate that runs on a device, reading one batch ahead."""

    def __init__(self, model: Any, spec: InputSpec, placement: Placement, batch_size: int) -> None:
        """Prepare a loaded Keras model; it is compiled at the first batch."""
        answer = partial(gate_probabilities, model, spec=spec)
        self._answer = compiled(answer, model.variables, placement)
        self._placement = placement
        self._batches = FixedBatches(batch_size)

    def probabilities(self, batches: Iterable[Pictures]) -> Iterator[Float32]:
        """Yield the probabilities of each batch, float32 (n,), as the model says them.

        They are not calibrated, and may be NaN. See `DeviceQueue.answers` for what is read ahead.

        Raises:
            DeviceError: the memory does not hold a single picture.
        """
        return self.queue().answers(batches)

    def queue(self) -> DeviceQueue[Pictures, Float32]:
        """Return a queue that answers batches as `probabilities` does."""
        return DeviceQueue(self._steps, self._again)

    def _steps(self, pictures: Pictures) -> Steps[Float32]:
        parts = [self._part(one) for one in _parts(pictures, self._batches.size)]
        answers = yield from side_by_side(parts)
        return np.concatenate(answers)

    def _part(self, pictures: Pictures) -> Steps[Float32]:
        answer = self._answer(self._placement.to_device(self._batches.padded(pictures)))
        yield
        return to_host(answer)[: len(pictures)]

    def _again(self, pictures: Pictures) -> Float32:
        return self._batches.ask(pictures, lambda part: completed(self._part(part)))


class SegmenterProgram:
    """A segmenter that runs on a device, reading ahead.

    The device keeps the class maps. For each picture come back: bits of its masks, peaks, whether
    the maps are finite, and the maps of classes that have a pixel in a mask. The maps are asked for
    once the bits are there, and come with the next batch.
    """

    def __init__(
        self,
        model: Any,
        segmenter: Segmenter,
        planes: Sequence[Plane],
        placement: Placement,
        batch_size: int,
    ) -> None:
        """Prepare a loaded Keras model; it is compiled at the first batch.

        Args:
            model: the Keras model.
            segmenter: its input and mirrors.
            planes: the masks that are asked for; see `planes_of`.
            placement: where it runs.
            batch_size: pictures in one call of the model.
        """
        self._maps = compiled(
            lambda pictures: class_maps(model, pictures, segmenter.input, segmenter.mirrors),
            model.variables,
            placement,
        )
        self._chosen = compiled(chosen_maps, [], placement)
        self._masks = lru_cache(_SIZES_KEPT)(self._compiled_masks)
        self._planes = tuple(planes)
        self._placement = placement
        self._batches = FixedBatches(batch_size)

    def masks(self, batches: Iterable[SizedPictures]) -> Iterator[list[PictureMasks]]:
        """Yield the masks of each batch, one element for each picture.

        See `DeviceQueue.answers` for what is read ahead.

        Raises:
            DeviceError: the memory does not hold a single picture.
        """
        return self.queue().answers(batches)

    def queue(self) -> DeviceQueue[SizedPictures, list[PictureMasks]]:
        """Return a queue that answers batches as `masks` does."""
        return DeviceQueue(self._steps, self._again)

    def _compiled_masks(self, shape: tuple[int, int]) -> Callable[..., Tensors]:
        """Compile the masks for one size of pictures."""
        return compiled(
            lambda maps, peaks: packed_masks(maps, peaks, self._planes, shape), [], self._placement
        )

    def _steps(self, batch: SizedPictures) -> Steps[list[PictureMasks]]:
        parts = _parts(batch.pictures, self._batches.size)
        answers = yield from side_by_side([self._part(one, batch.shape) for one in parts])
        return [one for part in answers for one in part]

    def _part(self, pictures: Pictures, shape: tuple[int, int]) -> Steps[list[PictureMasks]]:
        count = len(pictures)
        on_device = self._placement.to_device(self._batches.padded(pictures))
        maps, peaks, finite = self._maps(on_device)
        bits = self._masks(shape)(maps, peaks)
        yield
        read = _Read(*(to_host(one)[:count] for one in (bits, peaks, finite)))
        lit = self._lit(read)
        asked = self._ask_maps(maps, lit, read.peaks.shape[1])
        yield
        fetched = dict(zip(lit, (map_ for part in asked for map_ in to_host(part)), strict=False))
        return [self._picture(read, number, fetched, shape) for number in range(count)]

    def _lit(self, read: _Read) -> list[tuple[int, int]]:
        """Return the (picture, class) that have a pixel in a mask."""
        lit = read.bits.any(axis=2) & read.finite[:, np.newaxis]
        found = zip(*np.nonzero(lit), strict=True)
        return sorted({(int(one), self._planes[plane].number) for one, plane in found})

    def _ask_maps(self, maps: Tensors, lit: list[tuple[int, int]], classes: int) -> list[Tensors]:
        """Ask for class maps, some at once; the last request is filled up with the first map."""
        places = np.array([picture * classes + number for picture, number in lit], np.int32)
        padded = np.zeros(-(-len(lit) // _MAPS_AT_ONCE) * _MAPS_AT_ONCE, np.int32)
        padded[: len(lit)] = places
        groups = padded.reshape(-1, _MAPS_AT_ONCE)
        return [self._chosen(maps, self._placement.to_device(group)) for group in groups]

    def _picture(
        self,
        read: _Read,
        number: int,
        fetched: dict[tuple[int, int], Float32],
        shape: tuple[int, int],
    ) -> PictureMasks:
        return PictureMasks(
            shape=shape,
            finite=bool(read.finite[number]),
            peaks=read.peaks[number],
            planes=self._planes,
            bits=read.bits[number],
            maps={one: map_ for (picture, one), map_ in fetched.items() if picture == number},
        )

    def _again(self, batch: SizedPictures) -> list[PictureMasks]:
        answers = self._batches.each(
            batch.pictures, lambda part: completed(self._part(part, batch.shape))
        )
        return [one for part in answers for one in part]


class _Read(NamedTuple):
    """What is read first of a batch: see `PictureMasks`, with the pictures as first axis."""

    bits: npt.NDArray[np.uint8]
    peaks: Float32
    finite: npt.NDArray[np.bool_]


def _parts(pictures: Pictures, size: int) -> list[Pictures]:
    """Cut pictures into batches of at most `size`."""
    return [pictures[start : start + size] for start in range(0, len(pictures), size)]
