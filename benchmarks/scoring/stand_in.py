"""Make a bundle whose models cost next to nothing, so that a run shows what the rest costs.

Inputs, sizes and classes are those of the tutorial's models. The gate lets about 55% of the
pictures pass. The segmenter outlines places that are much brighter or darker than the rest of a
picture: on Severstal's strips about 1.1 masks for each picture that passes, of 2.5 regions and
20,000 pixels. (The true masks of the data: 1.1 for each defective picture, of 3.0 regions and
23,000 pixels.)
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.scoring.material import LIMITS, PASSING
from benchmarks.unfitted import unfitted
from steeldefect.bundle.files import SEAL_NAME
from steeldefect.bundle.manifest import DefectClass, Gate, PictureSizes, Segmenter
from steeldefect.pictures.decoding import decode_gray
from steeldefect.pictures.preprocessing import InputSpec, Scaling, prepare

_SIDE = 256
HEIGHT, WIDTH = 256, 1600
_CELL = 8  # side of the places that are compared, in pixels of the input
_STEEP = 4.0
_BOUNDS = (1.5, -2.4, 3.0, -3.2)
"""For each class, deviations from the picture's mean at which the class's probability is 0.5."""

GATE_INPUT = InputSpec(height=_SIDE, width=_SIDE, channels=3, scaling=Scaling.UNIT)
SEGMENTER_INPUT = InputSpec(height=_SIDE, width=_SIDE, channels=1, scaling=Scaling.STANDARD)


def make_stand_in(folder: Path, paths: Sequence[Path]) -> Path:
    """Write the bundle, unless it exists.

    Args:
        folder: folder of the bundle.
        paths: the strips of the measurement; the gate's threshold is set for them.
    """
    if (folder / SEAL_NAME).exists():
        return folder
    from training.export.draft_manifest import draft_manifest
    from training.export.staging import Models
    from training.export.write_bundle import write_bundle

    shutil.rmtree(folder, ignore_errors=True)
    draft = draft_manifest(
        classes=[DefectClass(id=number, name=str(number)) for number in range(1, 5)],
        gate=Gate(input=GATE_INPUT, threshold=_threshold(paths)),
        segmenter=Segmenter(input=SEGMENTER_INPUT),
        picture_sizes=PictureSizes(height=(HEIGHT, HEIGHT), width=(WIDTH, WIDTH)),
        training=unfitted(),
    )
    write_bundle(folder, Models(_gate(), _segmenter()), draft)
    return folder


def _gate() -> object:
    """Return a model whose probability is the mean gray of a few pixels."""
    from training.backend import keras

    inputs = keras.Input((_SIDE, _SIDE, 3))
    few = keras.layers.Cropping2D((_SIDE - 1) // 2)(inputs)
    outputs = keras.layers.GlobalAveragePooling2D()(few)
    dense = keras.layers.Dense(1)
    model = keras.Model(inputs, dense(outputs))
    dense.set_weights([np.full((3, 1), 1 / 3), np.zeros(1)])
    return model


def _segmenter() -> object:
    from training.backend import keras

    inputs = keras.Input((_SIDE, _SIDE, 1))
    cells = keras.layers.AveragePooling2D(_CELL)(inputs)
    classes = keras.layers.Conv2D(len(_BOUNDS), 1, activation="sigmoid")
    maps = keras.layers.UpSampling2D(_CELL)(classes(cells))
    model = keras.Model(inputs, maps)
    signs = np.sign(_BOUNDS)
    classes.set_weights(
        [(_STEEP * signs).reshape(1, 1, 1, -1), -_STEEP * np.abs(np.array(_BOUNDS))]
    )
    return model


def _threshold(paths: Sequence[Path]) -> float:
    """Return the middle of the widest gap between two gray values that lets enough pass."""
    middle = slice((_SIDE - 1) // 2, _SIDE - (_SIDE - 1) // 2)
    pictures = [decode_gray(path.read_bytes(), LIMITS) for path in paths]
    grays = [prepare(picture, GATE_INPUT)[middle, middle].mean() for picture in pictures]
    ordered = np.sort(grays)[::-1]
    least, most = (round(share * len(pictures)) for share in PASSING)
    gaps = ordered[least - 1 : most - 1] - ordered[least:most]
    place = least + int(np.argmax(gaps))
    return float(ordered[place - 1 : place + 1].mean())
