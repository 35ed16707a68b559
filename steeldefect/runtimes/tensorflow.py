"""Run models with TensorFlow, from the Keras form, on a GPU or a CPU."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it once, at import

import keras
import tensorflow as tf

from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.batches import Batches, fitting_size
from steeldefect.runtimes.choices import DeviceChoice
from steeldefect.runtimes.engine import Engine
from steeldefect.runtimes.gpus import free_bytes
from steeldefect.runtimes.keras_files import load_keras_model


class TensorFlowRuntime(Runtime):
    """One Keras model as a compiled function."""

    def __init__(self, path: Path, engine: Engine) -> None:
        """Load the Keras model at `path` onto the engine's device.

        Raises:
            DeviceError: the engine needs a GPU, and TensorFlow sees none.
            BundleError: the file is not a model, or might run code.
        """
        self.engine = engine
        self._place = _prepare_device(engine)
        with tf.device(self._place):
            self._model = load_keras_model(path)
        size = _first_size(self._model, engine)
        self._batches = Batches(size, tf.errors.ResourceExhaustedError)
        signature = tf.TensorSpec([None, *self._model.input_shape[1:]], tf.float32)
        self._answer: Any = tf.function(self._call, input_signature=[signature])

    def predict(self, batch: Float32) -> Float32:
        """Compute the model's outputs; see `Runtime.predict`."""
        with tf.device(self._place):
            return self._batches.ask(batch, lambda part: self._answer(tf.constant(part)).numpy())

    def _call(self, batch: Any) -> Any:
        return self._model(batch, training=False)


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
