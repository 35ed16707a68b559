"""What runs on a device, in Keras' own operations: the same on TensorFlow, JAX and PyTorch.

Shapes: n pictures of the model's size (h, w), c classes, p planes, pictures of (H, W) pixels. A
plane is the mask of one class at one threshold. Each function takes and returns tensors, and may be
compiled: all shapes are known before it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from steeldefect.bundle.manifest import DefectClass, Mirror
from steeldefect.pictures.preprocessing import SMALLEST_STD, InputSpec, Scaling
from steeldefect.runtimes.device_program.bilinear import taps

_ROWS, _COLUMNS = 1, 2  # axes of a batch
_MIRRORED = {
    Mirror.HORIZONTAL: (_COLUMNS,),
    Mirror.VERTICAL: (_ROWS,),
    Mirror.BOTH: (_ROWS, _COLUMNS),
}
_BITS = np.array([128, 64, 32, 16, 8, 4, 2, 1], np.int32)  # the first pixel is the highest bit


class Plane(NamedTuple):
    """One mask that is asked for.

    Attributes:
        number: index of the class in the bundle's order.
        threshold: pixels whose probability is above it belong to the mask.
    """

    number: int
    threshold: float


def planes_of(classes: Sequence[DefectClass], levels: Sequence[float] = ()) -> tuple[Plane, ...]:
    """Return the planes of a bundle: first each class at its own threshold, then at each level."""
    own = [Plane(number, one.pixel_threshold) for number, one in enumerate(classes)]
    return (*own, *(Plane(plane.number, level) for level in levels for plane in own))


def scaled(pictures: Any, spec: InputSpec) -> Any:
    """Scale gray pictures for a model, as `preprocessing.scale_batch` does on the host.

    Args:
        pictures: uint8 (n, h, w).
        spec: input of the model.

    Returns:
        float32 (n, h, w, spec.channels).
    """
    values = ops.cast(pictures, "float32")
    by_std = spec.scaling is Scaling.STANDARD
    values = _standardised(pictures, values) if by_std else values / 255.0
    values = ops.expand_dims(values, -1)
    return values if spec.channels == 1 else ops.repeat(values, spec.channels, axis=-1)


def _standardised(pictures: Any, values: Any) -> Any:
    """Return (x - mean) / std of each picture.

    The sum of the gray values is one of integers, so that the mean has no error but its last
    rounding: a sum in float32 would lose gray values from 2**24 on, and some pictures lie close to
    one gray value. Squares of differences have no cancellation, so float32 is enough for them.
    """
    pixels = values.shape[_ROWS] * values.shape[_COLUMNS]
    total = ops.sum(ops.cast(pictures, "int32"), axis=(_ROWS, _COLUMNS), keepdims=True)
    whole = ops.floor_divide(total, pixels)
    rest = ops.cast(total - whole * pixels, "float32") / float(pixels)
    differences = values - (ops.cast(whole, "float32") + rest)
    by_row = ops.mean(ops.square(differences), axis=_COLUMNS, keepdims=True)
    std = ops.sqrt(ops.mean(by_row, axis=_ROWS, keepdims=True))
    return differences / ops.maximum(std, SMALLEST_STD)


def gate_probabilities(model: Any, pictures: Any, spec: InputSpec) -> Any:
    """Compute the gate's answers, from uint8 (n, h, w).

    Returns:
        float32 (n,), probabilities, not calibrated; (n, 2) with the oddness, if the gate says it.
    """
    answers = ops.cast(model(scaled(pictures, spec), training=False), "float32")
    columns = answers.shape[-1]
    shape = (pictures.shape[0],) if columns == 1 else (pictures.shape[0], columns)
    return ops.reshape(answers, shape)


def class_maps(
    model: Any, pictures: Any, spec: InputSpec, mirrors: Sequence[Mirror] = ()
) -> tuple[Any, Any, Any]:
    """Compute the segmenter's class maps, with what the host asks first.

    Args:
        model: the segmenter.
        pictures: uint8 (n, h, w).
        spec: input of the model.
        mirrors: mirrored copies that the model sees, too; the maps are the mean of all.

    Returns:
        maps: float32 (n, c, h, w), probabilities.
        peaks: float32 (n, c), the greatest probability of each map.
        finite: bool (n,), whether all probabilities of a picture are finite.
    """
    batch = scaled(pictures, spec)
    maps = ops.cast(model(batch, training=False), "float32")
    for mirror in mirrors:
        axes = _MIRRORED[mirror]
        copies = model(ops.flip(batch, axes), training=False)
        maps = maps + ops.flip(ops.cast(copies, "float32"), axes)
    if mirrors:
        maps = maps / float(1 + len(mirrors))
    maps = ops.transpose(maps, (0, 3, 1, 2))  # a map that comes back is then one piece of memory
    finite = ops.all(ops.isfinite(maps), axis=(1, 2, 3))
    return maps, ops.max(maps, axis=(2, 3)), finite


def packed_masks(maps: Any, peaks: Any, planes: Sequence[Plane], shape: tuple[int, int]) -> Any:
    """Compute the masks of pictures at their own size, eight pixels in a byte.

    A class map is resized before the threshold is applied, so that outlines do not show the
    model's larger pixels. A map whose peak is not above the threshold has no mask, as on the host.

    Args:
        maps: float32 (n, c, h, w).
        peaks: float32 (n, c).
        planes: the masks that are asked for.
        shape: (H, W) of the pictures.

    Returns:
        uint8 (n, p, ceil(H * W / 8)): each mask row by row, packed as `numpy.packbits` does. The
        first pixel is the highest bit of the first byte, and the last byte ends with zeros.
    """
    numbers = np.array([plane.number for plane in planes], np.int32)
    thresholds = ops.convert_to_tensor([plane.threshold for plane in planes], "float32")
    chosen = ops.take(resized(maps, shape), numbers, axis=1)
    masks = ops.logical_and(
        chosen > ops.reshape(thresholds, (-1, 1, 1)),
        ops.expand_dims(ops.take(peaks, numbers, axis=1) > thresholds, (2, 3)),
    )
    pixels = shape[0] * shape[1]
    flat = ops.reshape(ops.cast(masks, "int32"), (maps.shape[0], len(planes), pixels))
    flat = ops.pad(flat, ((0, 0), (0, 0), (0, -pixels % len(_BITS))))
    eights = ops.reshape(flat, (maps.shape[0], len(planes), -1, len(_BITS)))
    return ops.cast(ops.sum(eights * ops.convert_to_tensor(_BITS), axis=-1), "uint8")


def resized(maps: Any, shape: tuple[int, int]) -> Any:
    """Resize maps float32 (n, c, h, w) to float32 (n, c, H, W), bilinear; see `bilinear`."""
    for axis in (3, 2):  # along the rows first, as OpenCV does
        source, target = maps.shape[axis], shape[axis - 2]
        if source == target:
            continue
        low, high, shares = taps(source, target)
        weight = ops.reshape(ops.convert_to_tensor(shares), (-1, 1) if axis == 2 else (-1,))
        maps = ops.take(maps, low, axis) * (1 - weight) + ops.take(maps, high, axis) * weight
    return maps


def chosen_maps(maps: Any, places: Any) -> Any:
    """Return some of the class maps: float32 (k, h, w).

    Args:
        maps: float32 (n, c, h, w).
        places: int32 (k,), indices into the n * c maps.
    """
    count, classes, height, width = maps.shape
    return ops.take(ops.reshape(maps, (count * classes, height, width)), places, axis=0)
