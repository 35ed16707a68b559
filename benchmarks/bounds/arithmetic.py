"""Measure the arithmetic of models: operations, time by kind of layer, and the speed of a core."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import threadpoolctl

from benchmarks.watching import BenchmarkError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes import Engine, Precision, RuntimeChoice, RuntimeOptions, choose_engine
from steeldefect.runtimes.openvino import OpenVinoRuntime, compile_settings

_SQUARE, _TRIES = 1536, 10
_CALLS = 10
_UNCOUNTED = {"GroupConvolution"}


@dataclass(frozen=True)
class ModelCost:
    """Cost of one picture in one model, on one core.

    Attributes:
        operations: number of multiplications and additions in convolutions and matrix products.
        seconds: CPU seconds of a call with one picture; the fastest of several calls.
        kinds: share of the time by kind of layer, largest first.
    """

    operations: float
    seconds: float
    kinds: dict[str, float]


def matrix_rate() -> float:
    """Measure float32 operations per second of one core, in NumPy's product of two matrices."""
    one = np.random.default_rng(0).random((_SQUARE, _SQUARE), dtype=np.float32)
    with threadpoolctl.threadpool_limits(1):
        seconds = min(_cpu_seconds(lambda: one @ one) for _ in range(_TRIES))
    return 2 * _SQUARE**3 / seconds


def cost(path: Path, precision: Precision) -> ModelCost:
    """Measure one model.

    Args:
        path: the `.xml` file of the model.
        precision: precision of the arithmetic.
    """
    engine = choose_engine(
        RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=precision, threads=1, batch_size=1)
    )
    model = ov.Core().read_model(path)
    shape = [1, *(size.get_length() for size in list(model.input(0).partial_shape)[1:])]
    model.reshape(shape)
    batch = np.random.default_rng(0).random(shape, dtype=np.float32)
    runtime = OpenVinoRuntime(path, engine)
    runtime.predict(batch)
    seconds = min(_cpu_seconds(lambda: runtime.predict(batch)) for _ in range(_CALLS))
    return ModelCost(operations(model), seconds, _kinds(model, batch, engine))


def operations(model: Any) -> float:
    """Count multiplications and additions of an OpenVINO model of fixed shape.

    Operations on the zeros around a picture (padding) are not counted: no program needs them.

    Raises:
        BenchmarkError: the model has a kind of layer that this function cannot count.
    """
    total = 0.0
    for operation in model.get_ops():
        kind = operation.get_type_name()
        if kind in _UNCOUNTED:
            raise BenchmarkError(f"operations of {kind} are not counted")
        if kind == "Convolution":
            outputs, inputs, *_ = operation.input(1).get_shape()
            down, across = (_taps(operation, axis) for axis in (0, 1))
            total += 2.0 * outputs * inputs * down * across
        elif kind == "ConvolutionBackpropData":
            inputs, outputs, *_ = operation.input(1).get_shape()
            down, across = (_backward_taps(operation, axis) for axis in (0, 1))
            total += 2.0 * outputs * inputs * down * across
        elif kind == "GroupConvolutionBackpropData":
            groups, inputs, outputs, *_ = operation.input(1).get_shape()
            down, across = (_backward_taps(operation, axis) for axis in (0, 1))
            total += 2.0 * groups * outputs * inputs * down * across
        elif kind == "MatMul":
            inner = operation.input(0).get_shape()[-1]
            total += 2.0 * inner * float(np.prod(operation.output(0).get_shape()))
    return total


def _taps(convolution: Any, axis: int) -> int:
    """Count pairs of an output place and a kernel element along one axis, without the padding."""
    told = convolution.get_attributes()
    size = convolution.input(0).get_shape()[2 + axis]
    places = convolution.output(0).get_shape()[2 + axis]
    kernel = convolution.input(1).get_shape()[2 + axis]
    stride, dilation = told["strides"][axis], told["dilations"][axis]
    begin = told["pads_begin"][axis]
    if told["auto_pad"] in ("same_upper", "same_lower"):
        missing = max(0, (places - 1) * stride + (kernel - 1) * dilation + 1 - size)
        begin = missing // 2 if told["auto_pad"] == "same_upper" else missing - missing // 2
    first = np.arange(places)[:, None] * stride - begin
    taps: npt.NDArray[np.int64] = first + np.arange(kernel)[None, :] * dilation
    return int(np.count_nonzero((taps >= 0) & (taps < size)))


def _backward_taps(convolution: Any, axis: int) -> int:
    """Count pairs of an input place and a kernel element that reach an output place, on one axis.

    Source: a transposed convolution adds input i times kernel element k to output
    i * stride + k * dilation - padding.

    Raises:
        BenchmarkError: the padding is not told in numbers.
    """
    told = convolution.get_attributes()
    if told["auto_pad"] != "explicit":
        raise BenchmarkError(
            f"padding {told['auto_pad']} of transposed convolutions is not counted"
        )
    places = convolution.output(0).get_shape()[2 + axis]
    first = np.arange(convolution.input(0).get_shape()[2 + axis])[:, None] * told["strides"][axis]
    kernel = np.arange(convolution.input(1).get_shape()[-2 + axis])[None, :]
    taps = first + kernel * told["dilations"][axis] - told["pads_begin"][axis]
    return int(np.count_nonzero((taps >= 0) & (taps < places)))


def _kinds(model: Any, batch: Float32, engine: Engine) -> dict[str, float]:
    """Return the share of time by kind of layer and kernel, from OpenVINO's counters."""
    settings = {**compile_settings(engine), "PERF_COUNT": True}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    spent: defaultdict[str, float] = defaultdict(float)
    for call in range(_CALLS + 1):
        request.infer([batch])
        if call:  # the first call also prepares the model
            for layer in request.get_profiling_info():
                kind = f"{layer.node_type} {layer.exec_type}"
                spent[kind] += layer.real_time.total_seconds()
    whole = sum(spent.values())
    shares = sorted(spent.items(), key=lambda pair: -pair[1])
    return {kind: seconds / whole for kind, seconds in shares}


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that all threads of this process use during `work`."""
    began = time.process_time()
    work()
    return time.process_time() - began
