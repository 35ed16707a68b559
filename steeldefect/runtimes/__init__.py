"""Inference runtimes behind one small interface: a float32 batch in, a float32 batch out.

>>> options = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, threads=1)
>>> gate = open_runtime(bundle, ModelName.GATE, options)          # doctest: +SKIP
>>> gate.predict(batch).shape                                     # doctest: +SKIP
(16, 1)
"""

from steeldefect.runtimes.base import (
    GPU_BATCH,
    DeviceChoice,
    Precision,
    Runtime,
    RuntimeChoice,
    RuntimeOptions,
    default_precision,
    explain,
    form_of,
    resolve,
)
from steeldefect.runtimes.cpu import cpu_precisions
from steeldefect.runtimes.open_runtime import open_runtime

__all__ = [
    "GPU_BATCH",
    "DeviceChoice",
    "Precision",
    "Runtime",
    "RuntimeChoice",
    "RuntimeOptions",
    "cpu_precisions",
    "default_precision",
    "explain",
    "form_of",
    "open_runtime",
    "resolve",
]
