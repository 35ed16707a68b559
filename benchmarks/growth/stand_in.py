"""Create an archive of any size, and a bundle whose model has a small, constant cost.

So a measurement shows everything around the models. The archive has 200 different pictures under
many names (hard links). Half of them show a bright square, which the model of the bundle outlines.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from benchmarks.unfitted import unfitted
from steeldefect.bundle.files import SEAL_NAME
from steeldefect.bundle.manifest import DefectClass, PictureSizes, Segmenter
from steeldefect.pictures.preprocessing import InputSpec, Scaling

HEIGHT, WIDTH = 64, 128
_UNIQUE = 200
_IN_A_FOLDER = 1000
_IDLE, _WIDE = 4, 24  # layers that only cost time, and their channels


def make_archive(folder: Path, pictures: int) -> Path:
    """Fill a folder with pictures, keep those that exist, and return the folder."""
    sources = [_source(folder.with_name("sources"), number) for number in range(_UNIQUE)]
    for number in range(pictures):
        path = folder / f"{number // _IN_A_FOLDER:05d}" / f"p{number:07d}.jpg"
        if number % _IN_A_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.link(sources[number % _UNIQUE], path)
    return folder


def make_bundle(folder: Path) -> Path:
    """Write the bundle if it does not exist: a segmenter, no gate."""
    if (folder / SEAL_NAME).exists():
        return folder
    from training.backend import keras
    from training.export.draft_manifest import draft_manifest
    from training.export.staging import Models
    from training.export.write_bundle import write_bundle

    spec = InputSpec(height=HEIGHT, width=WIDTH, channels=1, scaling=Scaling.UNIT)
    inputs = keras.Input((HEIGHT, WIDTH, 1))
    bright = keras.layers.Conv2D(1, 1, name="bright")
    idle = inputs
    for _ in range(_IDLE):
        idle = keras.layers.Conv2D(_WIDE, 3, padding="same", activation="relu")(idle)
    nothing = keras.layers.Conv2D(1, 1, kernel_initializer="zeros")(idle)
    outputs = keras.layers.Activation("sigmoid")(keras.layers.Add()([bright(inputs), nothing]))
    model = keras.Model(inputs, outputs)
    bright.set_weights([np.full((1, 1, 1, 1), 80.0), np.array([-64.0])])
    draft = draft_manifest(
        classes=[DefectClass(id=1, name="bright")],
        gate=None,
        segmenter=Segmenter(input=spec),
        picture_sizes=PictureSizes(height=(HEIGHT, HEIGHT), width=(WIDTH, WIDTH)),
        training=unfitted(),
    )
    write_bundle(folder, Models(None, model), draft)
    return folder


def _source(folder: Path, number: int) -> Path:
    path = folder / f"{number:03d}.jpg"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        picture = rng.integers(100, 150, (HEIGHT, WIDTH), dtype=np.uint8)
        if number % 2:
            top, left = rng.integers(0, (HEIGHT - 16, WIDTH - 16))
            picture[top : top + 16, left : left + 16] = 250
        cv2.imwrite(str(path), picture)
    return path
