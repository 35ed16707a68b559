"""Models in TensorFlow, from the Keras form: on the GPU where Spark gave the task one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it once, at import

import keras
import numpy as np
import tensorflow as tf

from steeldefect.errors import DeviceError
from steeldefect.preprocessing import Float32
from steeldefect.runtimes.base import DeviceChoice, RuntimeChoice, RuntimeOptions


class TensorFlowRuntime:
    """One Keras model as a compiled function."""

    name = RuntimeChoice.TENSORFLOW

    def __init__(self, path: Path, options: RuntimeOptions) -> None:
        """Load the Keras model at `path` onto the device of `options`.

        Raises:
            DeviceError: a GPU is asked for, and TensorFlow sees none.
        """
        self.device = options.device
        self._place = _prepare_device(options)
        self._batch_size = options.batch_size
        with tf.device(self._place):
            self._model = keras.saving.load_model(path, compile=False)
        signature = tf.TensorSpec([None, *self._model.input_shape[1:]], tf.float32)
        self._answer: Any = tf.function(self._call, input_signature=[signature])

    def predict(self, batch: Float32) -> Float32:
        """Run the model; see `Runtime.predict`."""
        with tf.device(self._place):
            parts = [
                self._answer(tf.constant(batch[start : start + self._batch_size])).numpy()
                for start in range(0, len(batch), self._batch_size)
            ]
        return np.concatenate(parts)

    def _call(self, batch: Any) -> Any:
        return self._model(batch, training=False)


def _prepare_device(options: RuntimeOptions) -> str:
    if options.device is DeviceChoice.CPU:
        _limit_threads(options.threads)
        return "/CPU:0"
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise DeviceError(
            "device=gpu, but TensorFlow sees no GPU on this host; install the extra [gpu] and "
            "give the task a GPU (spark.task.resource.gpu.amount), or set device=auto"
        )
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return "/GPU:0"


def _limit_threads(threads: int) -> None:
    """Keep TensorFlow to the task's cores; fixed once its first operation has run."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise DeviceError(
                "TensorFlow already runs in this process with another number of threads; "
                "restart the worker processes"
            ) from None
