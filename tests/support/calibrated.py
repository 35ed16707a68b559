"""What the tests of calibration share: models made by hand, pictures whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import DefectClass
from steeldefect.runtimes import DeviceChoice, Engine, Precision, RuntimeChoice
from training.calibration.sweep import ClassSweep, GateEffect

Array = npt.NDArray[np.float32]


ENGINE = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)


@dataclass
class Answering:
    """A runtime that answers by a rule: float32 (n, h, w, c) in, float32 (n, ...) out."""

    answer: Callable[[Array], Array]
    engine: Engine = ENGINE

    def predict(self, batch: Array) -> Array:
        return self.answer(batch).astype(np.float32)


def no_gate(pictures: int) -> GateEffect:
    """The effect of a gate that does nothing."""
    return GateEffect(np.zeros(pictures, bool), np.zeros(pictures, np.int64))


def class_sweep(
    truth: Sequence[int],
    cuts: dict[float, tuple[Sequence[int], Sequence[int]]],
    class_id: int = 1,
    min_area: int = 0,
) -> ClassSweep:
    """A class from its true areas, and (areas found, true ones of them) at each threshold."""
    thresholds = sorted(cuts)
    return ClassSweep(
        DefectClass(id=class_id, name=f"c{class_id}", min_area=min_area),
        np.array(thresholds),
        np.array([cuts[one][0] for one in thresholds], dtype=np.int64).T,
        np.array([cuts[one][1] for one in thresholds], dtype=np.int64).T,
        np.array(truth, dtype=np.int64),
    )
