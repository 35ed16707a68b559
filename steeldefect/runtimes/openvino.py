"""Models on CPUs, compiled by OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.base import (
    DeviceChoice,
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    cpu_batch,
)
from steeldefect.runtimes.cpu import cpu_precisions


class OpenVinoRuntime:
    """One compiled model with a fixed batch size; a smaller last batch is padded.

    CPU pinning is off: two worker processes with one thread each would otherwise pin themselves
    to the same core and halve their speed.
    """

    name = RuntimeChoice.OPENVINO
    device = DeviceChoice.CPU

    def __init__(self, path: Path, options: RuntimeOptions) -> None:
        """Compile the model at `path` (`.xml`, with its `.bin` beside it).

        For precision int8 that is the quantised model; `options` must be resolved (no `auto`).
        """
        core = ov.Core()
        model = core.read_model(path)
        self._batch_size = options.batch_size or cpu_batch(
            self.name, options.precision, options.threads
        )
        shape = list(model.input(0).partial_shape)
        model.reshape([self._batch_size, *(int(size.get_length()) for size in shape[1:])])
        compiled = core.compile_model(model, "CPU", compile_settings(options))
        self._request = compiled.create_infer_request()

    def predict(self, batch: Float32) -> Float32:
        """Run the model; see `Runtime.predict`."""
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


def compile_settings(options: RuntimeOptions) -> dict[str, Any]:
    """Give OpenVINO's settings for one model; `options` must be resolved (no `auto`)."""
    return {
        "INFERENCE_PRECISION_HINT": _hint(options.precision),
        "INFERENCE_NUM_THREADS": options.threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }


def _hint(precision: Precision) -> str:
    """Name the arithmetic of layers that are not int8; in a U-Net these take most of the time."""
    if precision is Precision.INT8:
        return "bf16" if CpuPrecision.BF16 in cpu_precisions() else "f32"
    return str(precision.value)
