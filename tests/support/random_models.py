"""Models with random weights whose answers depend on the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from training.backend import keras


def awake(model: keras.Model) -> keras.Model:
    """Take the batch statistics of noise, so that a random model's answers depend on pixels."""
    for layer in normalising(model):
        layer.momentum = 0.0
    model(np.random.default_rng(2).normal(size=(8, 32, 64, 1)), training=True)
    return model


def normalising(model: keras.Model) -> Iterator[Any]:
    """Yield the layers with batch statistics, also those of nested models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from normalising(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
