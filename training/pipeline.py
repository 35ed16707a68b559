"""Samples to batches: shuffled, augmented, scaled and made ready while the model is busy.

The order of pictures and every random change follow from the seed and the epoch, however many
threads prepare batches. The last batch may be smaller; it is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from steeldefect.preprocessing import Float32, InputSpec, scale
from training.augmentation import augment
from training.backend import tf
from training.recipe import Augment
from training.samples import Sample, Samples

Batch = tuple[Float32, Float32]
Change = Callable[[Sample, np.random.Generator], Sample]


def training_batches(
    samples: Samples, spec: InputSpec, batch_size: int, changes: Augment, seed: int
) -> tf.data.Dataset:
    """Batches in a new order and with new random changes in every epoch.

    Returns:
        (inputs float32 (n, h, w, c), truth float32 (n, ...)) for n up to `batch_size`.
    """
    numbers = tf.data.Dataset.range(len(samples))
    numbers = numbers.shuffle(len(samples), seed=seed, reshuffle_each_iteration=True)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    chosen = tf.data.Dataset.zip(numbers.batch(batch_size), seeds)
    return _prepared(chosen, samples, spec, lambda sample, rng: augment(sample, changes, rng))


def fixed_batches(samples: Samples, spec: InputSpec, batch_size: int) -> tf.data.Dataset:
    """Batches in the samples' own order, unchanged; shaped as `training_batches`."""
    numbers = tf.data.Dataset.range(len(samples)).batch(batch_size)
    chosen = numbers.map(lambda batch: (batch, tf.constant(0, tf.int64)))
    return _prepared(chosen, samples, spec, lambda sample, rng: sample)


def _prepared(
    chosen: tf.data.Dataset, samples: Samples, spec: InputSpec, change: Change
) -> tf.data.Dataset:
    """Turn (numbers, seed) into batches, several at a time and ahead of the model."""

    def make(numbers: npt.NDArray[np.int64], seed: npt.NDArray[np.int64]) -> Batch:
        rng = np.random.default_rng(int(seed))
        changed = [change(samples[int(number)], rng) for number in numbers]
        inputs = np.stack([scale(one.picture, spec) for one in changed])
        return inputs, np.stack([one.truth for one in changed]).astype(np.float32)

    def make_tensors(numbers: Any, seed: Any) -> tuple[Any, Any]:
        inputs, truth = tf.numpy_function(make, [numbers, seed], [tf.float32, tf.float32])
        inputs.set_shape((None, spec.height, spec.width, spec.channels))
        truth.set_shape((None, *samples[0].truth.shape))
        return inputs, truth

    prepared = chosen.map(make_tensors, num_parallel_calls=tf.data.AUTOTUNE)
    return prepared.prefetch(tf.data.AUTOTUNE)
