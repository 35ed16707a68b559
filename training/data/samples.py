"""Make training samples of labelled pictures: the resized picture and its truth.

Pictures are resized once and kept in memory as uint8 if they fit. Scaling is cheap and follows
after augmentation. `pictures.preprocessing` resizes and scales, as in scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray, InputSpec, resize
from training.data.dataset import LabelledPicture

_READERS = 4
_MOST = 255
UNLABELLED = -1.0
"""What a model shall answer at each pixel of an unlabelled picture: not known."""

Maps = npt.NDArray[np.uint8]
SoftMaps = Callable[[LabelledPicture], Maps]
"""A function from a picture to a teacher's class maps in 255ths, uint8 (h, w, maps)."""


@dataclass(frozen=True)
class Taught:
    """Class maps of a teacher.

    Attributes:
        maps: the maps of each labelled picture, of the size of the input.
        share: their weight in what the model shall answer; the truth has the rest.
    """

    maps: SoftMaps
    share: float


@dataclass(frozen=True)
class Sample:
    """One resized picture with its truth.

    Attributes:
        picture: uint8 (h, w).
        truth: uint8, 0 or 1: (1,) for the label of a picture, (h, w, maps) for outlines.
        soft: uint8 (h, w, maps), what the model shall answer, in 255ths; None for the truth.
        labelled: whether the truth is known.
    """

    picture: Gray
    truth: npt.NDArray[np.uint8]
    soft: npt.NDArray[np.uint8] | None = None
    labelled: bool = True

    @property
    def target(self) -> npt.NDArray[np.float32]:
        """What the model shall answer: 0 to 1, or `UNLABELLED`; float32, shaped as `truth`."""
        if not self.labelled:
            return np.full(self.truth.shape, UNLABELLED, dtype=np.float32)
        if self.soft is None:
            return self.truth.astype(np.float32)
        return self.soft.astype(np.float32) / np.float32(_MOST)

    def changed(self, change: Callable[[Maps], Maps]) -> Sample:
        """Return the sample with picture and maps changed alike; a label stays as it is."""
        picture = change(self.picture)
        if self.truth.ndim == 1:
            return replace(self, picture=picture)
        soft = None if self.soft is None else change(self.soft)
        return replace(self, picture=picture, truth=change(self.truth), soft=soft)


Load = Callable[[LabelledPicture], Sample]


def load_for_gate(picture: LabelledPicture, spec: InputSpec) -> Sample:
    """Read a picture with its label as truth."""
    truth = np.array([picture.defective], dtype=np.uint8)
    return Sample(resize(picture.read(), spec), truth)


def load_for_segmenter(
    picture: LabelledPicture, spec: InputSpec, class_ids: Sequence[int], coverage: float
) -> Sample:
    """Read a picture with the masks of its classes as truth."""
    return Sample(resize(picture.read(), spec), truth_maps(picture, spec, class_ids, coverage))


def truth_maps(
    picture: LabelledPicture, spec: InputSpec, class_ids: Sequence[int], coverage: float
) -> npt.NDArray[np.uint8]:
    """Return a picture's masks at the size of the model's input.

    A model pixel is 1 if the mask covers at least the share `coverage` of it. With 0.5, areas are
    right on average. Nearest-neighbour sampling also keeps areas right on average, but breaks
    slanted hairlines into dashes.

    A thin mask may cover no model pixel that far, and would vanish from the truth. For such a
    mask, a pixel is 1 if it is covered at least half as much as the pixel covered most.

    Args:
        picture: picture with run lengths at its own size.
        spec: input of the model; its height and width are used.
        class_ids: class of each map, in order.
        coverage: share of a model pixel, above 0 and at most 1.

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
    """Samples by number, kept in memory if they fit."""

    def __init__(self, pictures: Sequence[LabelledPicture], load: Load, cache_bytes: int) -> None:
        """Read all pictures now if they fit into `cache_bytes`, else each when it is needed."""
        self._pictures = pictures
        self._load = load
        first = load(pictures[0])
        self._cache: list[Sample] | None = None
        size = first.picture.nbytes + first.truth.nbytes
        size += 0 if first.soft is None else first.soft.nbytes
        if size * len(pictures) <= cache_bytes:
            with ThreadPoolExecutor(_READERS) as pool:
                self._cache = list(pool.map(load, pictures))

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._pictures)

    def __getitem__(self, number: int) -> Sample:
        """Return the sample of picture `number`."""
        if self._cache is not None:
            return self._cache[number]
        return self._load(self._pictures[number])


def gate_samples(pictures: Sequence[LabelledPicture], spec: InputSpec, cache_bytes: int) -> Samples:
    """Create the samples of a gate that learns from labels of pictures."""
    return Samples(pictures, partial(load_for_gate, spec=spec), cache_bytes)


def place_samples(
    pictures: Sequence[LabelledPicture], spec: InputSpec, coverage: float, cache_bytes: int
) -> Samples:
    """Create the samples of a gate of kind `places`: the truth is one map over all classes.

    Args:
        pictures: pictures whose true masks are known.
        spec: input of the gate.
        coverage: share of a model pixel that a mask must cover for the pixel to be 1.
        cache_bytes: memory for the samples; see `Samples`.
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
    taught: Taught | None = None,
    unlabelled: Sequence[LabelledPicture] = (),
) -> Samples:
    """Create the samples of a segmenter: first the labelled ones, then the unlabelled ones.

    Args:
        pictures: pictures whose true masks are known.
        spec: input of the segmenter.
        class_ids: class of each map, in order.
        coverage: share of a model pixel that a mask must cover for the pixel to be 1.
        cache_bytes: memory for the samples; see `Samples`.
        taught: class maps of a teacher; None without one.
        unlabelled: further pictures, whose true masks nobody knows.
    """
    not_known = {id(picture) for picture in unlabelled}

    def load(picture: LabelledPicture) -> Sample:
        sample = load_for_segmenter(picture, spec, class_ids, coverage)
        if id(picture) in not_known:
            return replace(sample, labelled=False)
        if taught is None:
            return sample
        own = (1 - taught.share) * _MOST * sample.truth.astype(np.float32)
        mixed = taught.share * taught.maps(picture) + own
        return replace(sample, soft=np.rint(mixed).astype(np.uint8))

    return Samples([*pictures, *unlabelled], load, cache_bytes)
