"""Run models with TensorFlow, from the Keras form, on a GPU or a CPU."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it once, at import

import keras
import tensorflow as tf

from steeldefect.bundle.manifest import DefectClass, Segmenter
from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32, InputSpec
from steeldefect.runtimes.arithmetic import compute_in_bfloat16, set_arithmetic
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.batches import Batches, FixedBatches, fitting_size
from steeldefect.runtimes.choices import DeviceChoice, Precision
from steeldefect.runtimes.device_program import (
    DeviceQueue,
    GateProgram,
    PictureMasks,
    Pictures,
    Placement,
    Plane,
    SegmenterProgram,
    SizedPictures,
    planes_of,
)
from steeldefect.runtimes.engine import Engine
from steeldefect.runtimes.gpus import free_bytes
from steeldefect.runtimes.keras_files import load_model_of_pictures


class TensorFlowRuntime(Runtime):
    """One Keras model as a compiled function, or as a program that does all on the device.

    On a CPU, TensorFlow runs the graph with any number of pictures. On a GPU, XLA compiles it for
    one batch size, and a last batch is padded.
    """

    def __init__(self, path: Path, engine: Engine, first: Path | None = None) -> None:
        """Load the Keras model at `path` onto the engine's device.

        Args:
            path: `.keras` file.
            engine: the engine.
            first: `.keras` file of a shared gate; see `load_model_of_pictures`.

        Raises:
            DeviceError: the engine needs a GPU, and TensorFlow sees none; or this process runs
                models with other arithmetic.
            BundleError: the file is not a model, or might run code.
        """
        self.engine = engine
        self._place = _prepare_device(engine)
        self._placement = Placement.of(engine.device)
        with tf.device(self._place):
            self._model = load_model_of_pictures(path, first)
        if engine.precision is Precision.BF16:
            compute_in_bfloat16(self._model)
        size = _first_size(self._model, engine)
        self._batches = FixedBatches(size) if self._placement.xla else Batches(size)
        signature = tf.TensorSpec([None, *self._model.input_shape[1:]], tf.float32)
        self._answer: Any = tf.function(
            self._call, input_signature=[signature], jit_compile=self._placement.xla or None
        )

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's outputs; see `Runtime.predict`."""
        with tf.device(self._place):
            return self._batches.ask(batch, self._predict_part)

    def gate_program(self, spec: InputSpec) -> GateProgram:
        """Return the model as a gate that takes uint8 pictures and reads one batch ahead.

        Args:
            spec: the gate's input in the manifest.
        """
        return GateProgram(self._model, spec, self._placement, self._batches.size)

    def segmenter_program(self, segmenter: Segmenter, planes: Sequence[Plane]) -> SegmenterProgram:
        """Return the model as a segmenter that takes uint8 pictures and returns masks.

        Args:
            segmenter: its part of the manifest.
            planes: the masks that are asked for; see `device_program.planes_of`.
        """
        size = self._batches.size
        return SegmenterProgram(self._model, segmenter, planes, self._placement, size)

    def _predict_part(self, part: Float32) -> Float32:
        answer: Float32 = self._answer(tf.constant(self._batches.padded(part))).numpy()
        return answer[: len(part)]

    def _call(self, batch: Any) -> Any:
        return self._model(batch, training=False)


class GpuRuntime(TensorFlowRuntime):
    """A model on a GPU whose programs are compiled once, and kept for later tasks."""

    def __init__(self, path: Path, engine: Engine, first: Path | None = None) -> None:
        """Load the model; see `TensorFlowRuntime`."""
        super().__init__(path, engine, first)
        self._gate: GateProgram | None = None
        self._segmenters: dict[tuple[Plane, ...], SegmenterProgram] = {}

    def gate_queue(self, spec: InputSpec) -> DeviceQueue[Pictures, Float32]:
        """Return the queue of the gate's program; see `OnDevice`."""
        if self._gate is None:
            self._gate = self.gate_program(spec)
        return self._gate.queue()

    def segmenter_queue(
        self, segmenter: Segmenter, classes: tuple[DefectClass, ...], levels: tuple[float, ...]
    ) -> tuple[DeviceQueue[SizedPictures, list[PictureMasks]], Callable[..., SizedPictures]]:
        """Return the queue of the segmenter's program; see `OnDevice`."""
        planes = planes_of(classes, levels)
        if planes not in self._segmenters:
            self._segmenters[planes] = self.segmenter_program(segmenter, planes)
        return self._segmenters[planes].queue(), SizedPictures


def _prepare_device(engine: Engine) -> str:
    if engine.device is DeviceChoice.CPU:
        _limit_threads(engine.threads)
        return "/CPU:0"
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise DeviceError(
            "device=gpu, but TensorFlow sees no GPU on this host; install the extra [gpu] and "
            "give the task a GPU (spark.task.resource.gpu.amount), or set device=auto"
        )
    for gpu in gpus:
        _limit_memory(gpu, engine.gpu_memory_mib)
    set_arithmetic(engine.precision)
    return "/GPU:0"


def _limit_memory(gpu: Any, mib: int | None) -> None:
    """Limit this process to the GPU memory that it needs, or to `mib` MiB: tasks may share a GPU.

    Without this, TensorFlow takes all memory of a GPU. The first limit stays for the life of the
    process; a later call does not change it.
    """
    if mib is None:
        tf.config.experimental.set_memory_growth(gpu, True)
    elif not tf.config.get_logical_device_configuration(gpu):
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=mib)
        tf.config.set_logical_device_configuration(gpu, [limit])


def _first_size(model: Any, engine: Engine) -> int:
    """Return the first batch size."""
    if engine.device is not DeviceChoice.GPU:
        return engine.batch_size
    free = free_bytes()
    if engine.gpu_memory_mib is not None:
        free = min(engine.gpu_memory_mib * 2**20, free or sys.maxsize)
    return fitting_size(engine.batch_size, _picture_bytes(model), free)


def _picture_bytes(model: Any) -> int:
    """Return the bytes of all layers' outputs for one picture: more than is held at any time."""
    total = 0
    for layer in model.layers:
        if getattr(layer, "layers", None):
            total += _picture_bytes(layer)
            continue
        for output in keras.tree.flatten(layer.output):
            total += 4 * math.prod(size or 1 for size in output.shape[1:])
    return total


def _limit_threads(threads: int) -> None:
    """Limit TensorFlow to the task's cores; the limit is fixed once its first operation has run."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise DeviceError(
                "TensorFlow already runs in this process with another number of threads; "
                "restart the worker processes"
            ) from None
