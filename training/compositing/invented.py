"""Draw the look of a class that no labelled picture shows; `training.synthetic` paints it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.synthetic.defects import CLASSES
from training.synthetic.surface import scale_of

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_LEAST_GAIN = 0.08
_LEAST_HEIGHT = 64  # pixels; the drawn defects have no details below this


def kind_of(class_id: int) -> int:
    """Return the number of the drawn kind of defect that stands for a class, 1 to 4, by turns."""
    return (class_id - 1) % len(CLASSES) + 1


def draw_look(rng: np.random.Generator, class_id: int, height: int) -> tuple[Plane, Mask]:
    """Draw one defect on blank steel.

    Args:
        rng: source of randomness.
        class_id: class of the defect.
        height: height of the picture in pixels; sizes of details scale with it.

    Returns:
        Float32 (h, w), logarithms of the gains of the steel's gray levels; bool (h, w), the
        pixels of the defect.
    """
    kind = CLASSES[kind_of(class_id)]
    rows = max(_LEAST_HEIGHT, height)
    breadth = round(rng.uniform(*kind.breadth) * scale_of(rows))
    gain = np.ones((rows, breadth), dtype=np.float32)
    mask = kind.paint(rng, gain)
    return np.log(np.maximum(gain, _LEAST_GAIN)).astype(np.float32), mask
