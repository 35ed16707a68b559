"""Keras and TensorFlow, imported once and without their start-up chatter.

TensorFlow writes notices about CPUs and GPUs straight to the process's standard error before its
own log level counts. The import takes seconds: only modules that need it import this one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what goes wrong reaches Python as exceptions
os.environ["KERAS_BACKEND"] = "tensorflow"
# TensorFlow takes oneDNN's convolutions by itself only on some CPUs; on others, such as AMD's
# Zen 3, a training step takes a fifth longer without them (TF_ENABLE_ONEDNN_OPTS=0 shows it in
# benchmarks/input_pipeline.py)
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send what native code writes to standard error nowhere; exceptions pass as usual."""
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

    tf.config.list_physical_devices()  # asks for GPUs now, while it is quiet

__all__ = ["keras", "tf"]
