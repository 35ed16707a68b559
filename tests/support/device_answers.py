"""Run device programs on any back end, and write what they answer.

    KERAS_BACKEND=jax python tests/support/device_answers.py FOLDER OUT

FOLDER is what `device_material.write_material` writes. The tests compare OUT with the answers of
the host's own path. Keras reads its back end when it is imported, so each needs its own process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from pydantic import BaseModel

from steeldefect.bundle.manifest import DefectClass, Gate, Segmenter
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, resize
from steeldefect.runtimes.device_program import (
    GateProgram,
    PictureMasks,
    Pictures,
    Placement,
    SegmenterProgram,
    SizedPictures,
    planes_of,
)
from steeldefect.runtimes.keras_files import load_keras_model
from steeldefect.runtimes.out_of_memory import is_out_of_memory

LEVELS = (0.3,)
BATCHES = (4, 5, 2)  # a full batch, one that is cut, and one that is padded
SIZE = 4
GATE, SEGMENTER, PARTS, PICTURES = "gate.keras", "segmenter.keras", "parts.json", "pictures.npy"


class Parts(BaseModel):
    """What a manifest says of the models."""

    gate: Gate
    segmenter: Segmenter
    classes: list[DefectClass]


def cut(pictures: Pictures) -> Iterator[Pictures]:
    """Yield the pictures in batches of `BATCHES` pictures, then what is left."""
    start = 0
    for count in (*BATCHES, len(pictures)):
        if start < len(pictures):
            yield pictures[start : start + count]
        start += count


def gate_answers(folder: Path, placement: Placement) -> Float32:
    """Return the gate's probabilities, float32 (n,)."""
    spec = read_parts(folder).gate.input
    with placement.scope():
        model = load_keras_model(folder / GATE)
    program = GateProgram(model, spec, placement, SIZE)
    inputs = resized(np.load(folder / PICTURES), spec)
    return np.concatenate(list(program.probabilities(cut(inputs))))


def segmenter_answers(folder: Path, placement: Placement) -> list[PictureMasks]:
    """Return the masks of each picture."""
    parts, pictures = read_parts(folder), np.load(folder / PICTURES)
    with placement.scope():
        model = load_keras_model(folder / SEGMENTER)
    planes = planes_of(parts.classes, LEVELS)
    program = SegmenterProgram(model, parts.segmenter, planes, placement, SIZE)
    inputs = resized(pictures, parts.segmenter.input)
    batches = (SizedPictures(one, pictures[0].shape) for one in cut(inputs))
    return [one for batch in program.masks(batches) for one in batch]


def read_parts(folder: Path) -> Parts:
    """Read what the manifest says of the models."""
    return Parts.model_validate_json((folder / PARTS).read_bytes())


def resized(pictures: list[Gray], spec: InputSpec) -> Pictures:
    """Resize pictures for a model: uint8 (n, h, w)."""
    return np.stack([resize(one, spec) for one in pictures])


def too_large() -> bool:
    """Return whether the back end's own error of too little memory is understood."""
    try:
        keras.ops.convert_to_numpy(keras.ops.zeros((2**24, 2**24)))
    except Exception as error:
        return is_out_of_memory(error)
    raise RuntimeError("a petabyte was not refused")


def main() -> None:
    """Answer the pictures of a folder, and write the answers to a file."""
    folder, target = (Path(word) for word in sys.argv[1:])
    placement = Placement("cpu", xla=False)
    found = segmenter_answers(folder, placement)
    maps = {
        f"map_{number}_{one}": map_
        for number, picture in enumerate(found)
        for one, map_ in picture.maps.items()
    }
    np.savez(
        target,
        backend=keras.backend.backend(),
        with_tensorflow="tensorflow" in sys.modules,
        too_large=too_large(),
        gate=gate_answers(folder, placement),
        bits=np.stack([one.bits for one in found]),
        peaks=np.stack([one.peaks for one in found]),
        finite=np.array([one.finite for one in found]),
        **maps,
    )


if __name__ == "__main__":
    main()
