"""Measure the device programs alone: pictures per second, and what limits them.

    python benchmarks/device_program.py --bundle DIR --pictures DIR [--device gpu --batch-size 64]
    KERAS_BACKEND=torch python benchmarks/device_program.py ...    # needs no TensorFlow

Columns of the table:

queue/s    pictures per second from resized pictures to answers on the host, reading ahead
device/s   the model alone, with the same batch again and again: no copies, no masks
cores      cores of the host that decode as fast as the queue answers; fewer cores are the bound
GFLOP      operations of the layers for one picture, with the zeros around it
GFLOP/s    operations per second, from device/s
of         relative to a product of two matrices, measured on the same device at the same precision

A queue that is much slower than the device waits for copies or masks. A device far below the
product waits for memory, or for launches of small kernels: try a larger batch.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.errors import DataError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray, InputSpec, resize
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.runtimes.choices import DeviceChoice, Precision

_LIMITS = DecodeLimits(50_000_000)
_SQUARE = {DeviceChoice.CPU: 1024, DeviceChoice.GPU: 8192}  # sides of the matrices
_TRIES = 5
_COUNTED = ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense")
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")


class Rates(NamedTuple):
    """Pictures per second of one model, and its operations.

    Attributes:
        queue: with copies, reading one batch ahead.
        device: without copies.
        operations: multiplications and additions of one picture.
    """

    queue: float
    device: float
    operations: float


def main() -> int:
    """Measure, print the table, and return the exit code."""
    parser = CommandParser(prog="python benchmarks/device_program.py", description=__doc__)
    parser.add_argument("--bundle", type=local_path, required=True, help="folder of a bundle")
    parser.add_argument("--pictures", type=local_path, required=True, help="folder of pictures")
    devices = [DeviceChoice.CPU.value, DeviceChoice.GPU.value]
    parser.add_argument("--device", choices=devices, default="cpu", help="where the models run")
    precisions = [Precision.F32.value, Precision.TF32.value, Precision.BF16.value]
    parser.add_argument("--precision", choices=precisions, default="f32", help="of a GPU")
    parser.add_argument("--batch-size", type=positive, default=4, help="pictures in one call")
    parser.add_argument("--batches", type=positive, default=10, help="measured calls of a model")
    parser.add_argument("--most", type=positive, default=64, help="different pictures")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    from steeldefect.runtimes.arithmetic import set_arithmetic

    device, precision = DeviceChoice(options.device), Precision(options.precision)
    bundle = open_bundle(Path(options.bundle), [ModelForm.KERAS])
    set_arithmetic(precision)
    print(f"{device_name(device)}, {precision.value}, batches of {options.batch_size}")
    pictures, decoding = _decoded(Path(options.pictures), options.most)
    product = matrix_rate(device, precision)
    print(
        f"{'':<12}{'queue/s':>10}{'device/s':>10}{'cores':>8}{'GFLOP':>8}{'GFLOP/s':>10}{'of':>7}"
    )
    for name in ModelName:
        if name is ModelName.GATE and bundle.manifest.gate is None:
            continue
        one = _rates(bundle, name, pictures, options)
        rate = one.device * one.operations
        print(
            f"{name.value:<12}{one.queue:>10.1f}{one.device:>10.1f}{one.queue / decoding:>8.1f}"
            f"{one.operations / 1e9:>8.2f}{rate / 1e9:>10.0f}{100 * rate / product:>6.0f}%"
        )
    print(f"{'decoding':<12}{decoding:>10.1f}{'':>10}{1:>8.1f}")
    print(f"{'matrices':<12}{'':>10}{'':>10}{'':>8}{'':>8}{product / 1e9:>10.0f}{100:>6}%")


def device_name(device: DeviceChoice) -> str:
    """Return the back end and the name of the device, as its library knows it."""
    import keras

    backend = keras.backend.backend()
    if device is DeviceChoice.CPU:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((one.partition(":")[2].strip() for one in lines if "model name" in one), "CPU")
        return f"{backend} on {cpu}"
    return f"{backend} on {_GPU_NAMES[backend]()}"


def _tensorflow_gpu() -> str:
    import tensorflow as tf

    [first, *_] = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(first).get("device_name", "a GPU"))


def _jax_gpu() -> str:
    import jax

    return str(jax.devices("gpu")[0].device_kind)


def _torch_gpu() -> str:
    import torch

    return str(torch.cuda.get_device_name(0))


_GPU_NAMES = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}


def _decoded(folder: Path, most: int) -> tuple[list[Gray], float]:
    """Decode the pictures of a folder that have the size of the first; return pictures per second.

    Raises:
        DataError: the folder has no picture.
    """
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in _ENDINGS)[:most]
    if not files:
        raise DataError(f"{folder}: no picture with an ending of {', '.join(_ENDINGS)}")
    contents = [one.read_bytes() for one in files]
    began = time.process_time()
    pictures = [decode_gray(one, _LIMITS) for one in contents]
    seconds = time.process_time() - began
    return [one for one in pictures if one.shape == pictures[0].shape], len(pictures) / seconds


def matrix_rate(device: DeviceChoice, precision: Precision) -> float:
    """Measure operations per second of a product of two matrices on the device."""
    import keras

    from steeldefect.runtimes.device_program.compiling import Placement, compiled, to_host

    side, placement = _SQUARE[device], Placement.of(device)
    dtype = "bfloat16" if precision is Precision.BF16 else "float32"
    values = np.random.default_rng(0).random((side, side), dtype=np.float32)
    with placement.scope():
        matrix = keras.ops.cast(placement.to_device(values), dtype)

    def chain(one: Any) -> Any:
        """Multiply often enough that reading one number costs nothing beside it."""
        product = one
        for _ in range(_TRIES):
            product = keras.ops.matmul(product, one) * (1.0 / side)
        return keras.ops.cast(keras.ops.max(product), "float32")

    run = compiled(chain, [], placement)
    return 2 * side**3 * _TRIES / _seconds(lambda: to_host(run(matrix)))


def _rates(
    bundle: Bundle, name: ModelName, pictures: Sequence[Gray], options: argparse.Namespace
) -> Rates:
    from steeldefect.runtimes.arithmetic import compute_in_bfloat16
    from steeldefect.runtimes.device_program.compiling import Placement, compiled, to_host
    from steeldefect.runtimes.device_program.program import class_maps, gate_probabilities
    from steeldefect.runtimes.keras_files import load_keras_model

    placement = Placement.of(DeviceChoice(options.device))
    spec = _spec(bundle, name)
    with placement.scope():
        model = load_keras_model(bundle.model_path(name, ModelForm.KERAS))
    counted = operations(model)
    if options.precision == Precision.BF16.value:
        compute_in_bfloat16(model)
    source = itertools.cycle([resize(one, spec) for one in pictures])
    size, count = options.batch_size, options.batches
    batches = [np.stack(list(itertools.islice(source, size))) for _ in range(count)]
    answers = _queue(bundle, name, model, placement, size, pictures[0].shape)
    queue = _seconds(lambda: list(answers(batches)))
    if name is ModelName.GATE:
        run = compiled(partial(gate_probabilities, model, spec=spec), model.variables, placement)
    else:
        mirrors = bundle.manifest.segmenter.mirrors
        whole = partial(class_maps, model, spec=spec, mirrors=mirrors)
        run = compiled(lambda batch: whole(batch)[1], model.variables, placement)
    resident = placement.to_device(batches[0])

    def alone() -> None:
        last = None
        for _ in range(count):
            last = run(resident)
        to_host(last)

    return Rates(size * count / queue, size * count / _seconds(alone), counted)


def _spec(bundle: Bundle, name: ModelName) -> InputSpec:
    gate = bundle.manifest.gate
    if name is ModelName.GATE and gate is not None:
        return gate.input
    return bundle.manifest.segmenter.input


def _queue(
    bundle: Bundle,
    name: ModelName,
    model: Any,
    placement: Any,
    size: int,
    shape: tuple[int, int],
) -> Callable[[Sequence[Any]], Iterator[Any]]:
    """Return what yields a model's answers to batches of resized pictures."""
    from steeldefect.runtimes.device_program import (
        GateProgram,
        SegmenterProgram,
        SizedPictures,
        planes_of,
    )

    manifest = bundle.manifest
    if name is ModelName.GATE:
        return GateProgram(model, _spec(bundle, name), placement, size).probabilities
    planes = planes_of(manifest.classes)
    program = SegmenterProgram(model, manifest.segmenter, planes, placement, size)
    return lambda batches: program.masks(SizedPictures(one, shape) for one in batches)


def operations(model: Any) -> float:
    """Count multiplications and additions of a Keras model for one picture.

    Convolutions and dense layers, with the zeros around a picture: a GPU multiplies them, too.

    Raises:
        DataError: a layer has a kernel, and is of a kind that this function cannot count.
    """
    total = 0.0
    for layer in model._flatten_layers(include_self=False, recursive=True):
        kind = type(layer).__name__
        if kind in _COUNTED:
            placed = layer.input if kind == "Conv2DTranspose" else layer.output
            places = np.prod(placed.shape[1:-1])  # channels come last
            total += 2.0 * float(np.prod(layer.kernel.shape)) * float(places)
        elif hasattr(layer, "kernel") or kind.startswith("Separable"):
            raise DataError(f"operations of the layer {layer.name}, a {kind}, are not counted")
    return total


def _seconds(work: Callable[[], object]) -> float:
    """Return the seconds of `work`: the fastest of several runs, after one that compiles."""
    work()
    found = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


if __name__ == "__main__":
    sys.exit(main())
