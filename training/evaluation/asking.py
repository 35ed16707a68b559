"""Labelled pictures through a detector, a few at a time: read, prepared, and the gate asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steeldefect.detection.detector import Detector, Prepared
from steeldefect.errors import InferenceError
from steeldefect.pictures.preprocessing import Float32
from training.data.dataset import LabelledPicture

_AT_A_TIME = 8  # pictures in memory


@dataclass(frozen=True)
class Asked:
    """A few pictures with the gate's answers.

    Attributes:
        pictures: n of them.
        prepared: their model inputs, in the same order.
        probabilities: float32 (n,), of the gate; NaN without one.
    """

    pictures: Sequence[LabelledPicture]
    prepared: list[Prepared]
    probabilities: Float32


def ask(detector: Detector, pictures: Sequence[LabelledPicture]) -> Iterator[Asked]:
    """Read pictures, prepare them and ask the gate; memory does not grow with their number.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: the gate answered with a number that is not finite; names the picture.
    """
    for start in range(0, len(pictures), _AT_A_TIME):
        some = pictures[start : start + _AT_A_TIME]
        prepared = [detector.prepare(picture.read()) for picture in some]
        probabilities = detector.gate(prepared)
        if detector.has_gate and np.isnan(probabilities).any():
            name = some[int(np.isnan(probabilities).argmax())].name
            raise InferenceError(f"{name}: the gate's answer is not finite; fit the gate anew")
        yield Asked(some, prepared, probabilities)
