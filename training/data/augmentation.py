"""Change training samples at random; the caller seeds the random generator."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Gray
from training.data.samples import Maps, Sample
from training.recipe import Augment, Crop

_HEIGHT, _WIDTH = 0, 1
_MOST_MARGIN = 0.3  # widest margin, as a share of the picture's width
_MARGIN_NOISE = 6  # gray levels: a camera's black is not exactly 0


def augment(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    """Return a changed sample: first the geometry changes, then the gray values.

    Truth maps follow the picture's geometry; a gate's label stays the same.
    """
    for step in (_zoom, _crop, _turn, _flip, _black_margin):
        sample = step(sample, settings, rng)
    picture = _gray_values(sample.picture, settings, rng)
    return replace(sample, picture=picture).changed(np.ascontiguousarray)


def _zoom(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    """Enlarge or shrink around a random point; missing pixels at the edges are mirrored."""
    if not settings.zoom:
        return sample
    factor = float(np.exp(rng.uniform(-1, 1) * np.log1p(settings.zoom)))
    height, width = sample.picture.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    matrix = np.array([[factor, 0, x * (1 - factor)], [0, factor, y * (1 - factor)]])

    def warped(pixels: Maps) -> Maps:
        method = cv2.INTER_LINEAR if pixels.ndim == 2 else cv2.INTER_NEAREST
        size, border = (width, height), cv2.BORDER_REFLECT_101
        changed = cv2.warpAffine(pixels, matrix, size, flags=method, borderMode=border)
        return np.asarray(changed).reshape(pixels.shape)  # OpenCV drops a single channel

    return sample.changed(warped)


def _crop(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    """Cut a window out of the picture and its maps, often over a defect."""
    crop = settings.crop
    if crop is None:
        return sample
    height, width = sample.picture.shape
    top, left = _place(sample, crop, rng)
    rows = slice(top, min(height, top + crop.height))
    columns = slice(left, min(width, left + crop.width))
    return sample.changed(lambda pixels: pixels[rows, columns])


def _place(sample: Sample, crop: Crop, rng: np.random.Generator) -> tuple[int, int]:
    height, width = sample.picture.shape
    most = (max(0, height - crop.height), max(0, width - crop.width))
    if _has_maps(sample) and rng.random() < crop.defect_share:
        classes = np.flatnonzero(sample.truth.any(axis=(_HEIGHT, _WIDTH)))
        if len(classes):
            places = np.argwhere(sample.truth[:, :, rng.choice(classes)])
            row, column = places[rng.integers(len(places))]
            top = int(row) - int(rng.integers(crop.height))
            left = int(column) - int(rng.integers(crop.width))
            return min(max(top, 0), most[0]), min(max(left, 0), most[1])
    return int(rng.integers(most[0] + 1)), int(rng.integers(most[1] + 1))


def _turn(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    if not settings.quarter_turns:
        return sample
    turns = int(rng.integers(4))
    height, width = sample.picture.shape
    if height != width:  # a whole picture, after windows: only half turns keep its shape
        turns -= turns % 2
    return sample.changed(lambda pixels: np.rot90(pixels, turns))


def _flip(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    for axis, allowed in ((_WIDTH, settings.flip_horizontal), (_HEIGHT, settings.flip_vertical)):
        if allowed and rng.random() < 0.5:
            sample = sample.changed(partial(np.flip, axis=axis))
    return sample


def _black_margin(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    """Blacken the left or right end, as at the end of a strip; the truth there becomes 0."""
    if not settings.black_margin or rng.random() >= settings.black_margin:
        return sample
    width = sample.picture.shape[_WIDTH]
    margin = int(rng.uniform(0, _MOST_MARGIN) * width)
    columns = slice(0, margin) if rng.random() < 0.5 else slice(width - margin, width)

    def blackened(pixels: Maps) -> Maps:
        copy = pixels.copy()
        copy[:, columns] = 0
        return copy

    changed = sample.changed(blackened)
    dark = changed.picture[:, columns]
    dark[:] = rng.integers(0, _MARGIN_NOISE, dark.shape, dtype=np.uint8)
    return changed


def _gray_values(picture: Gray, settings: Augment, rng: np.random.Generator) -> Gray:
    values = np.arange(256, dtype=np.float32)
    if settings.gamma:
        exponent = np.exp(rng.uniform(-1, 1) * np.log1p(settings.gamma))
        values = np.float32(255.0) * (values / np.float32(255.0)) ** np.float32(exponent)
    if settings.brightness:
        values *= np.float32(rng.uniform(1 - settings.brightness, 1 + settings.brightness))
    if settings.gamma or settings.brightness:
        picture = cv2.LUT(picture, _to_bytes(values)).reshape(picture.shape)
    if settings.noise:
        spread = rng.uniform(0, settings.noise)
        noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(spread)
        picture = _to_bytes(picture + noise)
    return picture


def _has_maps(sample: Sample) -> bool:
    return sample.truth.ndim > 1


def _to_bytes(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
