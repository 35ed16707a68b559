"""From labelled pictures to what a model learns: inputs and truth, one picture at a time.

Pictures are resized once and kept as uint8 where they fit into memory; scaling is cheap and
comes after augmentation. Resizing and scaling are `pictures.preprocessing`, as in scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray, InputSpec, resize
from training.data.dataset import LabelledPicture

_READERS = 4


@dataclass(frozen=True)
class Sample:
    """One picture, resized: uint8 (h, w), with its truth.

    `truth` is uint8: (1,) for a gate, (h, w, classes) for a segmenter; 0 or 1.
    """

    picture: Gray
    truth: npt.NDArray[np.uint8]


Load = Callable[[LabelledPicture], Sample]


def load_for_gate(picture: LabelledPicture, spec: InputSpec) -> Sample:
    """Read a picture with its label."""
    truth = np.array([picture.defective], dtype=np.uint8)
    return Sample(resize(picture.read(), spec), truth)


def load_for_segmenter(
    picture: LabelledPicture, spec: InputSpec, class_ids: Sequence[int], coverage: float
) -> Sample:
    """Read a picture with the masks of all its classes."""
    return Sample(resize(picture.read(), spec), truth_maps(picture, spec, class_ids, coverage))


def truth_maps(
    picture: LabelledPicture, spec: InputSpec, class_ids: Sequence[int], coverage: float
) -> npt.NDArray[np.uint8]:
    """Draw a picture's masks at the size of a model's maps.

    A model pixel counts where the mask covers at least `coverage` of it. At 0.5 areas are right
    on average, which nearest-neighbour sampling gives as well, but that breaks slanted hairlines
    into dashes. A mask too thin to cover that much of any model pixel would vanish from the
    truth; of such a one, the pixels count that it covers at least half as much as its best.

    Args:
        picture: with runs at its own size.
        spec: gives height and width.
        class_ids: the maps' classes, in order.
        coverage: share of a model pixel, above 0, at most 1.

    Returns:
        uint8 (spec.height, spec.width, classes), 0 or 1.
    """
    maps = np.zeros((spec.height, spec.width, len(class_ids)), dtype=np.uint8)
    for channel, class_id in enumerate(class_ids):
        if class_id in picture.runs:
            mask = run_lengths.to_mask(picture.runs[class_id], picture.shape).astype(np.float32)
            size = (spec.width, spec.height)
            covered = cv2.resize(np.ascontiguousarray(mask), size, interpolation=cv2.INTER_AREA)
            greatest = float(covered.max())
            maps[:, :, channel] = covered >= (coverage if greatest >= coverage else greatest / 2)
    return maps


class Samples:
    """Samples by number, from memory where they fit."""

    def __init__(self, pictures: Sequence[LabelledPicture], load: Load, cache_bytes: int) -> None:
        """Read all pictures now where they need at most `cache_bytes`, else each when asked."""
        self._pictures = pictures
        self._load = load
        first = load(pictures[0])
        self._cache: list[Sample] | None = None
        if (first.picture.nbytes + first.truth.nbytes) * len(pictures) <= cache_bytes:
            with ThreadPoolExecutor(_READERS) as pool:
                self._cache = list(pool.map(load, pictures))

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._pictures)

    def __getitem__(self, number: int) -> Sample:
        """The sample of picture `number`."""
        if self._cache is not None:
            return self._cache[number]
        return self._load(self._pictures[number])


def gate_samples(pictures: Sequence[LabelledPicture], spec: InputSpec, cache_bytes: int) -> Samples:
    """Make the samples that a gate learns from."""
    return Samples(pictures, partial(load_for_gate, spec=spec), cache_bytes)


def place_samples(
    pictures: Sequence[LabelledPicture], spec: InputSpec, coverage: float, cache_bytes: int
) -> Samples:
    """Make the samples that a gate learns from place by place: one map, of any class.

    Args:
        pictures: those that are outlined.
        spec: of the gate.
        coverage: share of a model pixel that a mask has to cover to count.
        cache_bytes: see `Samples`.
    """

    def load(picture: LabelledPicture) -> Sample:
        sample = load_for_segmenter(picture, spec, tuple(picture.runs) or (0,), coverage)
        return Sample(sample.picture, sample.truth.max(axis=2, keepdims=True))

    return Samples(pictures, load, cache_bytes)


def segmenter_samples(
    pictures: Sequence[LabelledPicture],
    spec: InputSpec,
    class_ids: Sequence[int],
    coverage: float,
    cache_bytes: int,
) -> Samples:
    """Make the samples that a segmenter learns from."""
    load = partial(load_for_segmenter, spec=spec, class_ids=class_ids, coverage=coverage)
    return Samples(pictures, load, cache_bytes)
