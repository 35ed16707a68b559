"""Pre-trained weights for the gate's ResNet50: by name, or from a file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steeldefect.errors import SettingsError
from training.backend import keras
from training.recipe import IMAGENET, Gate, Unavailable

_STAGE_ENDS = ("conv5_block3_out", "conv4_block6_out", "conv3_block4_out", "conv2_block3_out")
"""Where a file of weights may end, the whole network first."""


@dataclass(frozen=True)
class LoadedWeights:
    """What was loaded into a base.

    Attributes:
        layers: the Keras layers that carry pre-trained weights; empty where all are random.
        note: one line for the bundle's manifest; None where there is nothing to say.
    """

    layers: tuple[Any, ...] = field(default=())
    note: str | None = None


def load_weights(base: keras.Model, settings: Gate) -> LoadedWeights:
    """Load what the recipe names into a ResNet50 base.

    Raises:
        SettingsError: the weights cannot be had and the recipe does not allow to go on without,
            or a file holds other weights.
    """
    if settings.weights is None:
        return LoadedWeights()
    try:
        if settings.weights == IMAGENET:
            return _load_imagenet(base)
        return _load_file(base, Path(settings.weights))
    except _UnavailableError as error:
        if settings.weights_if_unavailable is Unavailable.ERROR:
            raise SettingsError(
                f"{error}; set gate.weights to a file, or gate.weights_if_unavailable=random"
            ) from None
        return LoadedWeights(note=f"gate trained from random weights: {error}")


class _UnavailableError(Exception):
    """The weights cannot be had here and now."""


def _load_imagenet(base: keras.Model) -> LoadedWeights:
    try:
        source = keras.applications.ResNet50(
            weights=IMAGENET, include_top=False, input_shape=base.input_shape[1:]
        )
    except Exception as error:  # Keras raises plain `Exception` where a download fails
        reason = " ".join(str(error).split())
        raise _UnavailableError(f"ImageNet weights cannot be downloaded ({reason})") from None
    base.set_weights(source.get_weights())
    return LoadedWeights(tuple(base.layers), "gate began with ImageNet weights for ResNet50")


def _load_file(base: keras.Model, path: Path) -> LoadedWeights:
    if not path.is_file():
        raise SettingsError(f"gate.weights: no such file: {path}")
    for end in _STAGE_ENDS:
        part = keras.Model(base.input, base.get_layer(end).output)
        if _fits(part, path):
            return LoadedWeights(
                tuple(part.layers), f"gate began with the weights of {path.name} up to {end}"
            )
    raise SettingsError(
        f"gate.weights: {path} fits neither ResNet50 without its top nor a part of it that ends "
        f"in {', '.join(_STAGE_ENDS[1:])}; give a Keras .weights.h5 file of that network"
    )


def _fits(part: keras.Model, path: Path) -> bool:
    """Try to load; a file of other layers is told by Keras in one of several ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each layer without weights
        try:
            part.load_weights(path)
        except (ValueError, OSError, KeyError):
            return False
    return True
