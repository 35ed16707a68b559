"""Run models on CPUs, compiled by OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.choices import Precision
from steeldefect.runtimes.choose_precision import cpu_precisions
from steeldefect.runtimes.engine import Engine


class OpenVinoRuntime:
    """One compiled model with a fixed batch size; a smaller last batch is padded.

    CPU pinning is off: two worker processes with one thread each would otherwise pin themselves
    to the same core and halve their speed.
    """

    def __init__(self, path: Path, engine: Engine) -> None:
        """Compile the model at `path` (`.xml`, with its `.bin` beside it).

        For precision int8, `path` is the quantised model.
        """
        core = ov.Core()
        model = core.read_model(path)
        self.engine = engine
        self._batch_size = engine.batch_size
        shape = list(model.input(0).partial_shape)
        model.reshape([self._batch_size, *(int(size.get_length()) for size in shape[1:])])
        compiled = core.compile_model(model, "CPU", compile_settings(engine))
        self._request = compiled.create_infer_request()

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's outputs; see `Runtime.predict`."""
        parts = [
            self._predict_padded(batch[start : start + self._batch_size])
            for start in range(0, len(batch), self._batch_size)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _predict_padded(self, batch: Float32) -> Float32:
        missing = self._batch_size - len(batch)
        if missing:
            padding = np.zeros((missing, *batch.shape[1:]), dtype=np.float32)
            full = np.concatenate([batch, padding])
        else:
            full = np.ascontiguousarray(batch)
        self._request.infer([full], share_inputs=True)
        answer: Float32 = self._request.get_output_tensor(0).data[: len(batch)].copy()
        return answer


def compile_settings(engine: Engine) -> dict[str, Any]:
    """Return OpenVINO's settings for one model."""
    return {
        "INFERENCE_PRECISION_HINT": _hint(engine.precision),
        "INFERENCE_NUM_THREADS": engine.threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }


def _hint(precision: Precision) -> str:
    """Return the precision of layers that are not int8; in a U-Net they take most of the time."""
    if precision is Precision.INT8:
        return "bf16" if CpuPrecision.BF16 in cpu_precisions() else "f32"
    return str(precision.value)
