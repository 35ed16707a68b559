"""Import Keras and TensorFlow once, without their start-up messages.

TensorFlow writes notices about CPUs and GPUs directly to the process's standard error before its
log level takes effect. The import takes seconds, so only modules that need Keras import this one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors reach Python as exceptions
os.environ["KERAS_BACKEND"] = "tensorflow"
# TensorFlow uses oneDNN's convolutions by default on some CPUs only. On others, such as AMD's
# Zen 3, a training step takes a fifth longer without them (to measure it, run
# benchmarks/input_pipeline.py with TF_ENABLE_ONEDNN_OPTS=0)
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Discard standard error, also from native code; exceptions are raised as usual."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


with _quiet_stderr():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # finds GPUs now, while messages are discarded

__all__ = ["keras", "tf"]
