"""Random changes of a training sample, drawn from a generator that the caller seeds."""

from __future__ import annotations

import numpy as np

from training.recipe import Augment
from training.samples import Sample

_HEIGHT, _WIDTH = 0, 1


def augment(sample: Sample, settings: Augment, rng: np.random.Generator) -> Sample:
    """Flip a sample and change its brightness, as the settings allow.

    Truth maps are flipped with the picture; a gate's label stays.
    """
    picture, truth = sample.picture, sample.truth
    for axis, allowed in ((_WIDTH, settings.flip_horizontal), (_HEIGHT, settings.flip_vertical)):
        if allowed and rng.random() < 0.5:
            picture = np.flip(picture, axis)
            truth = np.flip(truth, axis) if truth.ndim > 1 else truth
    if settings.brightness:
        gain = rng.uniform(1 - settings.brightness, 1 + settings.brightness)
        picture = np.clip(np.rint(picture * np.float32(gain)), 0, 255).astype(np.uint8)
    return Sample(np.ascontiguousarray(picture), truth)
