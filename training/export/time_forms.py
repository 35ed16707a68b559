"""Measure the speed of the compiled forms on this CPU: one core, in turn, medians.

The forms take turns within each round, so that a machine that becomes slower becomes slower for all
of them. CPU time is measured, not the time of the clock: other programs may run too.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from steeldefect.bundle.files import ModelName, input_spec
from steeldefect.bundle.manifest import Cpu, CpuPrecision, Manifest
from steeldefect.pictures.preprocessing import Float32, Gray, prepare
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choose_precision import cpu_flags, cpu_name

ROUNDS = 11
_VECTORS = ("avx", "amx", "fma", "sse4", "f16c")  # beginnings of the flags that are recorded

_SEGMENTER = ModelName.SEGMENTER

Runtimes = Mapping[ModelName, Runtime]


def time_forms(
    forms: Mapping[CpuPrecision, Runtimes], manifest: Manifest, pictures: Sequence[Gray]
) -> dict[tuple[CpuPrecision, ModelName], float]:
    """Measure each model of each form.

    Args:
        forms: models that were compiled for one thread.
        manifest: manifest of the bundle, with preprocessing and mirrors.
        pictures: one or more pictures, uint8 (H, W); they are repeated to fill a batch.

    Returns:
        CPU milliseconds of one picture; for a segmenter, with its mirrored copies. A segmenter
        that goes on from a shared gate is measured with the gate, whose time is then subtracted.
    """
    shown: dict[ModelName, Float32] = {}
    taken: defaultdict[tuple[CpuPrecision, ModelName], list[float]] = defaultdict(list)
    for number in range(ROUNDS + 1):
        for precision, models in forms.items():
            for name, model in models.items():
                if name not in shown:
                    spec = input_spec(manifest, name)
                    shown[name] = np.stack([prepare(one, spec) for one in pictures])
                milliseconds = _milliseconds(model, shown[name])
                if number:  # the first round fills the caches
                    taken[precision, name].append(milliseconds)
    copies = 1 + len(manifest.segmenter.mirrors)
    times = {key: float(np.median(values)) for key, values in taken.items()}
    return {
        (precision, name): value
        if name is not _SEGMENTER
        else copies * value - (times[precision, ModelName.GATE] if manifest.shares_network else 0)
        for (precision, name), value in times.items()
    }


def this_cpu() -> Cpu:
    """Return the record of this CPU."""
    flags = sorted(one for one in cpu_flags() if one.startswith(_VECTORS))
    return Cpu(name=cpu_name(), flags=flags)


def _milliseconds(model: Runtime, pictures: Float32) -> float:
    """Return the CPU milliseconds of one picture in a full batch."""
    size = model.engine.batch_size
    batch = np.take(pictures, np.arange(size) % len(pictures), axis=0)
    began = time.process_time()
    model.predict(batch)
    return 1000 * (time.process_time() - began) / size
