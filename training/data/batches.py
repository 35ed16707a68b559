"""Make batches of samples: shuffled, augmented, scaled, and prepared while the model trains.

The seed and the epoch fix the order of pictures and every random change; the number of threads
has no effect. The last batch of an epoch may be smaller; it is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Float32, InputSpec, scale
from training.backend import tf
from training.data.augmentation import augment
from training.data.pasting import paste
from training.data.samples import Sample, Samples
from training.recipe import Augment

Batch = tuple[Float32, Float32]
Change = Callable[[Sample, np.random.Generator], Sample]


_AHEAD = 4
"""Largest number of batches that wait for the model: a longer queue would take cores from it."""


@dataclass(frozen=True)
class Others:
    """Samples that are drawn in place of others; no defects are pasted onto them.

    Attributes:
        count: how many they are; they are the last samples.
        share: share of them among the samples that an epoch draws.
        begun: whether an epoch, counted from 0, draws them.
    """

    count: int
    share: float
    begun: Callable[[int], bool]


@dataclass(frozen=True)
class Plan:
    """How training batches are drawn.

    Attributes:
        batch_size: pictures in a batch; the last batch of an epoch may have fewer.
        changes: random changes of each picture.
        seed: seed of the order and of the changes.
        epochs: first epoch, and one past the last, counted from 0. A fit that resumes at an
            epoch gets the same batches as a fit that was never interrupted.
        weights: float64 (samples,), relative frequency of each picture; None: each picture is
            drawn once an epoch.
        donors: numbers of the samples that show defects, for pasting.
        others: further samples, such as unlabelled ones; an epoch does not become longer by them.
    """

    batch_size: int
    changes: Augment
    seed: int
    epochs: tuple[int, int]
    weights: npt.NDArray[np.float64] | None = None
    donors: tuple[int, ...] = ()
    others: Others | None = None


def training_batches(samples: Samples, spec: InputSpec, plan: Plan) -> tf.data.Dataset:
    """Return the batches of all epochs in sequence; every epoch has a new order and new changes.

    Returns:
        (inputs float32 (n, h, w, c), truth float32 (n, ...)) for n up to `batch_size`. Each
        epoch has `batches_of_epoch` batches.
    """
    others = plan.others
    count = len(samples) - (0 if others is None else others.count)
    steps = batches_of_epoch(count, plan.batch_size)

    def draw(epoch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng([plan.seed, int(epoch)])
        if plan.weights is None:
            drawn = rng.permutation(count)
        else:
            drawn = rng.choice(count, count, p=plan.weights / plan.weights.sum())
        if others is not None and others.begun(int(epoch)):
            replaced = rng.random(count) < others.share
            drawn[replaced] = count + rng.integers(others.count, size=replaced.sum())
        return drawn

    def epoch_of_batches(epoch: Any) -> tf.data.Dataset:
        order = tf.numpy_function(draw, [epoch], tf.int64)
        order.set_shape((count,))
        numbers = tf.data.Dataset.from_tensor_slices(order).batch(plan.batch_size)
        seeds = tf.data.Dataset.range(steps).map(lambda step: tf.stack([epoch, step]))
        return tf.data.Dataset.zip(numbers, seeds)

    chosen = tf.data.Dataset.range(*plan.epochs).flat_map(epoch_of_batches)

    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        if sample.labelled and plan.donors and rng.random() < plan.changes.paste:
            sample = paste(sample, samples[plan.donors[rng.integers(len(plan.donors))]], rng)
        return augment(sample, plan.changes, rng)

    shown = spec
    if plan.changes.crop is not None:
        size = {"height": plan.changes.crop.height, "width": plan.changes.crop.width}
        shown = spec.model_copy(update=size)
    return _prepared(chosen, samples, shown, change, plan.seed)


def batches_of_epoch(samples: int, batch_size: int) -> int:
    """Return the number of batches in one epoch."""
    return -(-samples // batch_size)


def fixed_batches(samples: Samples, spec: InputSpec, batch_size: int) -> tf.data.Dataset:
    """Return batches in the order of the samples, without changes; shapes as `training_batches`."""
    numbers = tf.data.Dataset.range(len(samples)).batch(batch_size)
    chosen = numbers.map(lambda batch: (batch, tf.constant([0, 0], tf.int64)))
    return _prepared(chosen, samples, spec, lambda sample, rng: sample, 0)


def _prepared(
    chosen: tf.data.Dataset, samples: Samples, spec: InputSpec, change: Change, seed: int
) -> tf.data.Dataset:
    """Turn (sample numbers, (epoch, step)) into batches, in parallel and ahead of the model."""
    truth_shape = samples[0].truth.shape
    if len(truth_shape) > 1:
        truth_shape = (spec.height, spec.width, truth_shape[-1])

    def make(numbers: npt.NDArray[np.int64], place: npt.NDArray[np.int64]) -> Batch:
        rng = np.random.default_rng([seed, *(int(one) for one in place)])
        changed = [change(samples[int(number)], rng) for number in numbers]
        inputs = np.stack([scale(one.picture, spec) for one in changed])
        return inputs, np.stack([one.target for one in changed])

    def make_tensors(numbers: Any, place: Any) -> tuple[Any, Any]:
        inputs, truth = tf.numpy_function(make, [numbers, place], [tf.float32, tf.float32])
        inputs.set_shape((None, spec.height, spec.width, spec.channels))
        truth.set_shape((None, *truth_shape))
        return inputs, truth

    prepared = chosen.map(make_tensors, num_parallel_calls=tf.data.AUTOTUNE)
    return prepared.prefetch(_AHEAD)
