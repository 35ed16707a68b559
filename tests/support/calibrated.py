"""Models made by hand and answers that are known, for tests of calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import DefectClass
from steeldefect.runtimes import DeviceChoice, Engine, Precision, Runtime, RuntimeChoice
from training.calibration.sweep import ClassSweep, GateEffect

Array = npt.NDArray[np.float32]


ENGINE = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)


@dataclass
class Answering(Runtime):
    """A runtime that computes its answers by a rule: float32 (n, h, w, c) to float32 (n, ...)."""

    rule: Callable[[Array], Array]
    engine: Engine = ENGINE

    def predict(self, batch: Array) -> Array:
        return self.rule(batch).astype(np.float32)


def no_gate(pictures: int) -> GateEffect:
    """Return the effect of a gate that does nothing."""
    return GateEffect(np.zeros(pictures, bool), np.zeros(pictures, np.int64))


def class_sweep(
    truth: Sequence[int],
    cuts: dict[float | tuple[float, float], tuple[Sequence[int], Sequence[int]]],
    class_id: int = 1,
    min_area: int = 0,
) -> ClassSweep:
    """Return a sweep from the true areas and, by thresholds, (areas found, true pixels in them).

    A threshold is a pixel threshold, or a pair with a seed threshold.
    """
    pairs = {(one if isinstance(one, tuple) else (one, np.nan)): cuts[one] for one in cuts}
    ordered = sorted(pairs, key=lambda pair: (not np.isnan(pair[1]), *pair))
    return ClassSweep(
        DefectClass(id=class_id, name=f"c{class_id}", min_area=min_area),
        np.array([threshold for threshold, _ in ordered]),
        np.array([seed for _, seed in ordered]),
        np.array([pairs[one][0] for one in ordered], dtype=np.int64).T,
        np.array([pairs[one][1] for one in ordered], dtype=np.int64).T,
        np.array(truth, dtype=np.int64),
    )
