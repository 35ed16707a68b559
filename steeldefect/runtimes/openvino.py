"""Run models on CPUs, compiled by OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino.preprocess import PrePostProcessor

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, scale_batch, scale_into
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choices import Precision
from steeldefect.runtimes.choose_precision import cpu_precisions
from steeldefect.runtimes.engine import Engine
from steeldefect.runtimes.parts import takes_features

Arrays = tuple[npt.NDArray[Any], ...]
"""Outputs of a model, (n, ...). Features may be bf16, as the bits in uint16; only OpenVINO's model
of the other part takes them."""


class OpenVinoRuntime(Runtime):
    """One compiled model with a fixed batch size; a smaller last batch leaves places unused.

    A model of features takes one picture at a time, and reads the features where they are: only
    the pictures that pass the gate need it, so nothing is copied, and none waits for others.

    CPU pinning is off: two worker processes with one thread each would otherwise pin themselves
    to the same core and halve their speed.
    """

    def __init__(self, path: Path, engine: Engine, gate: OpenVinoRuntime | None = None) -> None:
        """Compile the model at `path` (`.xml`, with its `.bin` beside it).

        For precision int8, `path` is the quantised model.

        Args:
            path: the model.
            engine: the engine.
            gate: the model that gives the features, for a model of features.
        """
        core = ov.Core()
        model = core.read_model(path)
        self._takes_features = takes_features(model.inputs[0].get_any_name())
        self._batch_size = 1 if self._takes_features else engine.batch_size
        self.engine = replace(engine, batch_size=self._batch_size)
        model.reshape({taken: self._fixed(taken.partial_shape) for taken in model.inputs})
        self._bf16_features = _hint(engine.precision) == "bf16" if gate is None else gate.gives_bf16
        if self._bf16_features:
            model = _with_bf16_features(model, taken=self._takes_features)
        compiled = core.compile_model(model, "CPU", compile_settings(engine))
        self._request = compiled.create_infer_request()
        # the request's own memory: pictures are scaled into it, and answers are read from it
        self._input: Float32 = self._request.get_input_tensor(0).data
        self._outputs = tuple(_values(output) for output in self._request.output_tensors)
        self._input[:] = 0  # places that a smaller batch leaves unused never hold NaN

    @property
    def gives_bf16(self) -> bool:
        """Whether the features that this model gives are bf16, not float32."""
        return self._bf16_features

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's first output; see `Runtime.predict`."""
        return self.predict_all([batch])[0]

    def predict_all(self, inputs: Sequence[npt.NDArray[Any]]) -> Arrays:
        """Compute all outputs of the model.

        Args:
            inputs: float32 (n, height, width, channels), or the features of n pictures; any n.

        Returns:
            One array (n, ...) for each output. The first is float32; features may follow.
        """
        size = self._batch_size
        parts = [
            self._copied([one[start : start + size] for one in inputs])
            for start in range(0, len(inputs[0]), size)
        ]
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(output) for output in zip(*parts, strict=True))

    def answer(self, pictures: Sequence[Gray], spec: InputSpec) -> Float32:
        """Scale pictures into the model's input, and run it; see `Runtime.answer`.

        Up to a full batch, the result is the model's own memory, which the next call overwrites.
        """
        return self.answer_all(pictures, spec)[0]

    def answer_all(self, pictures: Sequence[Gray], spec: InputSpec) -> Arrays:
        """Do as `answer` does, for all outputs."""
        if len(pictures) > self._batch_size:
            return self.predict_all([scale_batch(pictures, spec)])
        scale_into(self._input, pictures, spec)
        return self._run(len(pictures))

    def go_on(self, features: Arrays) -> Float32:
        """Run a model of features on those of one picture, in their memory.

        The result is the model's own memory, which the next call overwrites.

        Args:
            features: arrays (1, ...), a part of the result of `answer_all`.

        Returns:
            float32 (1, height, width, classes).
        """
        return np.asarray(self._run_features(features)[0])

    def _copied(self, inputs: Sequence[npt.NDArray[Any]]) -> Arrays:
        """Run the model on at most one batch; return copies of its outputs."""
        if self._takes_features:
            outputs = self._run_features(inputs)
        else:
            self._input[: len(inputs[0])] = inputs[0]
            outputs = self._run(len(inputs[0]))
        return tuple(output.copy() for output in outputs)

    def _run_features(self, features: Sequence[npt.NDArray[Any]]) -> Arrays:
        """Run the model on the features of one picture, in their memory."""
        for place, values in enumerate(features):
            self._request.set_input_tensor(place, _tensor(values))
        return self._run(1)

    def _run(self, count: int) -> Arrays:
        """Run the model on its inputs; return the first answers, without a copy."""
        self._request.infer(share_outputs=True)
        return tuple(output[:count] for output in self._outputs)

    def _fixed(self, shape: ov.PartialShape) -> list[int]:
        return [self._batch_size, *(int(size.get_length()) for size in list(shape)[1:])]


def _with_bf16_features(model: ov.Model, *, taken: bool) -> ov.Model:
    """Return the model with features in bf16, if it gives or takes any.

    For a gate that computes in bf16. To hand its features on as float32, OpenVINO would convert
    them twice, in about a tenth of the model's time.
    """
    steps = PrePostProcessor(model)
    for place in range(1, len(model.outputs)):
        steps.output(place).tensor().set_element_type(ov.Type.bf16)
    for place in range(len(model.inputs) if taken else 0):
        steps.input(place).tensor().set_element_type(ov.Type.bf16)
    return steps.build()


def _values(tensor: ov.Tensor) -> npt.NDArray[Any]:
    """Return the values of a tensor; NumPy has no bf16, so these are the bits, as uint16."""
    values: npt.NDArray[Any] = tensor.data
    return values.view(np.uint16) if tensor.element_type == ov.Type.bf16 else values


def _tensor(values: npt.NDArray[Any]) -> ov.Tensor:
    """Return a tensor in the memory of an array that `_values` returned, or of a copy."""
    values = np.ascontiguousarray(values)
    kind = ov.Type.bf16 if values.dtype == np.uint16 else ov.Type.f32
    return ov.Tensor(values, list(values.shape), kind)


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
