"""Run models on CPUs, compiled by OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, scale_into
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choices import Precision
from steeldefect.runtimes.choose_precision import cpu_precisions
from steeldefect.runtimes.engine import Engine


class OpenVinoRuntime(Runtime):
    """One compiled model with a fixed batch size; a smaller last batch leaves places unused.

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
        # the request's own memory: pictures are scaled into it, and answers are read from it
        self._input: Float32 = self._request.get_input_tensor(0).data
        self._output: Float32 = self._request.get_output_tensor(0).data
        self._input[:] = 0  # places that a smaller batch leaves unused never hold NaN

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's outputs; see `Runtime.predict`."""
        parts = [
            self._predict_padded(batch[start : start + self._batch_size])
            for start in range(0, len(batch), self._batch_size)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def answer(self, pictures: Sequence[Gray], spec: InputSpec) -> Float32:
        """Scale pictures into the model's input, and run it; see `Runtime.answer`.

        Up to a full batch, the result is the model's own memory, which the next call overwrites.
        """
        if len(pictures) > self._batch_size:
            return super().answer(pictures, spec)
        scale_into(self._input, pictures, spec)
        return self._run(len(pictures))

    def _predict_padded(self, batch: Float32) -> Float32:
        self._input[: len(batch)] = batch
        return self._run(len(batch)).copy()

    def _run(self, count: int) -> Float32:
        """Run the model on its input; return the first answers, without a copy."""
        self._request.infer(share_outputs=True)
        return self._output[:count]


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
