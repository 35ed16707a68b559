"""Models and pictures for the device programs, and the host's own answers to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import DefectClass, Gate, Mirror, Segmenter
from steeldefect.detection.windows import resize_map
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, Scaling, scale_batch
from steeldefect.runtimes.device_program import PictureMasks, Plane, planes_of
from support.device_answers import (
    GATE,
    LEVELS,
    PARTS,
    PICTURES,
    SEGMENTER,
    Parts,
    read_parts,
    resized,
)

SHAPE = (75, 190)  # no multiple of the models' size, nor of 8 pixels
COUNT = 12
NEVER = 2  # index of a class that no picture has
CLOSE = 1e-5
"""Pixels whose probability is that close to the threshold may differ: rounding decides there."""


def write_material(folder: Path) -> Path:
    """Write models with random weights, what a manifest says of them, and pictures."""
    keras.utils.set_random_seed(11)
    gate_spec = InputSpec(height=24, width=64, channels=3, scaling=Scaling.STANDARD)
    spec = InputSpec(height=32, width=80, channels=1, scaling=Scaling.UNIT)
    parts = Parts(
        gate=Gate(input=gate_spec, threshold=0.5),
        segmenter=Segmenter(input=spec, mirrors=[Mirror.HORIZONTAL, Mirror.BOTH]),
        classes=[
            DefectClass(id=1, name="one", pixel_threshold=0.5),
            DefectClass(id=2, name="two", pixel_threshold=0.62),
            DefectClass(id=3, name="never", pixel_threshold=0.5),
        ],
    )
    folder.mkdir()
    build_gate(gate_spec).save(folder / GATE)
    build_segmenter(spec).save(folder / SEGMENTER)
    (folder / PARTS).write_text(parts.model_dump_json(), encoding="utf-8")
    np.save(folder / PICTURES, np.stack(list(pictures())))
    return folder


def pictures() -> Iterator[Gray]:
    """Yield pictures uint8 (75, 190): one of a single gray value, the others with soft spots."""
    random = np.random.default_rng(5)
    yield np.full(SHAPE, 93, np.uint8)
    for _ in range(COUNT - 1):
        noise = cv2.GaussianBlur(random.random(SHAPE), (0, 0), 4)
        yield cv2.normalize(noise, None, 5, 250, cv2.NORM_MINMAX).astype(np.uint8)


def build_gate(spec: InputSpec) -> keras.Model:
    """Build a small classifier with random weights."""
    layers = keras.layers
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.3)(x)  # its counter is no weight
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def build_segmenter(spec: InputSpec) -> keras.Model:
    """Build a small model with random weights, whose maps cross the thresholds."""
    layers = keras.layers
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    down = layers.Conv2D(12, 3, padding="same", activation="relu")(layers.MaxPooling2D()(x))
    x = layers.Concatenate()([x, layers.UpSampling2D(interpolation="bilinear")(down)])
    last = layers.Conv2D(3, 3, padding="same", activation="sigmoid")
    model = keras.Model(inputs, last(x))
    kernel = last.get_weights()[0]
    middle = keras.Model(inputs, x)(np.full((1, *model.input_shape[1:]), 0.5, np.float32))
    levels = (np.asarray(middle)[0, 8, 8] @ kernel.sum(axis=(0, 1))) * 8
    last.set_weights([8 * kernel, np.where(np.arange(3) == NEVER, -60.0, -levels)])
    return model


@dataclass(frozen=True)
class HostAnswers:
    """Answers of the host's path: float32 (n,), maps float32 (n, h, w, classes)."""

    gate: Float32
    maps: Float32
    planes: tuple[Plane, ...]

    def full(self, picture: int, plane: int) -> Float32:
        """Return a class map at the picture's size, float32 (H, W)."""
        return resize_map(self.maps[picture, :, :, self.planes[plane].number], SHAPE)

    def mask(self, picture: int, plane: int) -> npt.NDArray[np.bool_]:
        """Return a mask as the host finds it."""
        return self.full(picture, plane) > self.planes[plane].threshold


def host_answers(folder: Path) -> HostAnswers:
    """Answer the pictures of a folder with OpenCV, NumPy and the plain model."""
    parts, grays = read_parts(folder), np.load(folder / PICTURES)
    gate, segmenter = (keras.saving.load_model(folder / one) for one in (GATE, SEGMENTER))
    inputs = scale_batch(list(resized(grays, parts.gate.input)), parts.gate.input)
    batch = scale_batch(list(resized(grays, parts.segmenter.input)), parts.segmenter.input)
    maps = np.asarray(segmenter(batch, training=False))
    for axes in ((2,), (1, 2)):  # the mirrors above
        maps = maps + np.flip(np.asarray(segmenter(np.flip(batch, axes), training=False)), axes)
    planes = planes_of(parts.classes, LEVELS)
    return HostAnswers(np.asarray(gate(inputs, training=False))[:, 0], maps / np.float32(3), planes)


def check_masks(found: list[PictureMasks], host: HostAnswers) -> None:
    """Check masks, peaks and maps against the host's.

    Raises:
        AssertionError: they differ by more than rounding can explain.
    """
    assert len(found) == COUNT
    covered = 0
    for number, picture in enumerate(found):
        assert picture.finite
        np.testing.assert_allclose(picture.peaks, host.maps[number].max(axis=(0, 1)), atol=1e-5)
        assert NEVER not in picture.maps
        for place, plane in enumerate(host.planes):
            mask, full = picture.mask(place), host.full(number, place)
            differs = mask != host.mask(number, place)
            assert (np.abs(full[differs] - plane.threshold) < CLOSE).all()
            assert differs.sum() <= 3
            covered += int(mask.sum())
            if mask.any():
                whole = picture.probabilities(plane.number, slice(0, SHAPE[0]), slice(0, SHAPE[1]))
                np.testing.assert_allclose(whole, full, atol=1e-5)
    assert 0.05 < covered / (COUNT * len(host.planes) * SHAPE[0] * SHAPE[1]) < 0.95
