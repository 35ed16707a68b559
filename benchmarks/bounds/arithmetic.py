"""The models' arithmetic: operations counted, seconds by kind of layer, and what a core can do."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import threadpoolctl

from steeldefect.manifest import CpuPrecision
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions, cpu_precisions
from steeldefect.runtimes.openvino import OpenVinoRuntime

_SQUARE, _TRIES = 1536, 10
_CALLS = 10


@dataclass(frozen=True)
class ModelCost:
    """What one picture costs in one model, on one core.

    Attributes:
        operations: multiplications and additions, of convolutions and matrix products.
        seconds: of a call with one picture; the fastest of several.
        kinds: share of the time by kind of layer, the greatest first.
    """

    operations: float
    seconds: float
    kinds: dict[str, float]


def greatest_rate() -> float:
    """Measure float32 operations a second that one core does: NumPy's product of two matrices."""
    one = np.random.default_rng(0).random((_SQUARE, _SQUARE), dtype=np.float32)
    with threadpoolctl.threadpool_limits(1):
        seconds = min(_seconds(lambda: one @ one) for _ in range(_TRIES))
    return 2 * _SQUARE**3 / seconds


def cost(path: Path, precision: Precision) -> ModelCost:
    """Measure one model.

    Args:
        path: its `.xml`.
        precision: that it runs at.
    """
    options = RuntimeOptions(
        runtime=RuntimeChoice.OPENVINO, precision=precision, threads=1, batch_size=1
    )
    model = ov.Core().read_model(path)
    shape = [1, *(size.get_length() for size in list(model.input(0).partial_shape)[1:])]
    model.reshape(shape)
    batch = np.random.default_rng(0).random(shape, dtype=np.float32)
    runtime = OpenVinoRuntime(path, options)
    runtime.predict(batch)
    seconds = min(_seconds(lambda: runtime.predict(batch)) for _ in range(_CALLS))
    return ModelCost(operations(model), seconds, _kinds(model, batch, precision))


def operations(model: Any) -> float:
    """Count multiplications and additions of an OpenVINO model of fixed shape."""
    total = 0.0
    for operation in model.get_ops():
        kind = operation.get_type_name()
        if kind == "Convolution":
            _, _, height, width = operation.output(0).get_shape()
            outputs, inputs, *kernel = operation.input(1).get_shape()
            total += 2.0 * height * width * outputs * inputs * np.prod(kernel)
        elif kind == "MatMul":
            total += 2.0 * np.prod(operation.input(1).get_shape())
    return total


def _kinds(model: Any, batch: np.ndarray, precision: Precision) -> dict[str, float]:
    """Ask OpenVINO for the time of each layer, and add up by kind and by what computes it."""
    exact = precision is Precision.F32 or CpuPrecision.BF16 not in cpu_precisions()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32" if exact else "bf16",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "PERF_COUNT": True,
    }
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    spent: defaultdict[str, float] = defaultdict(float)
    for call in range(_CALLS + 1):
        request.infer([batch])
        if call:  # the first one prepares
            for layer in request.get_profiling_info():
                kind = f"{layer.node_type} {layer.exec_type}"
                spent[kind] += layer.real_time.total_seconds()
    whole = sum(spent.values())
    return {
        kind: spent[kind] / whole for kind in sorted(spent, key=spent.__getitem__, reverse=True)
    }


def _seconds(work: Any) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
