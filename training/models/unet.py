"""A U-Net with a pre-trained encoder, and a decoder that is light enough for two cores.

The decoder uses the narrow (projected) features of each stage, and stops at half the input's size.
Its maps are then enlarged linearly. The last stage of a classic U-Net costs as much as all other
stages together. It adds little, because outlines are resized to the picture's size anyway.
Source of the architecture: Ronneberger et al., "U-Net", 2015; of pre-trained encoders: Iglovikov
and Shvets, "TernausNet", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steeldefect.pictures.preprocessing import Scaling
from training.backend import keras
from training.models.encoders import BATCH_NORM_MOMENTUM, gray_encoder, rescaling
from training.recipe import Encoder

layers = keras.layers

STRIDES = (16, 8, 4, 2)
FILTERS = (128, 64, 48, 32)
"""Number of filters of the decoder at each of `STRIDES`."""

DECODER = "decoder"
"""Prefix of the names of the decoder's layers."""

UNET = "unet"
"""Name of the whole network, and of its second part if a gate shares the first."""

_MOSTLY_SOUND = -3.0  # initial outputs are near 5%, because few pixels are defective


def unet(
    shape: tuple[int | None, int | None, int], classes: int, kind: Encoder, scaling: Scaling
) -> keras.Model:
    """Build the network with random weights.

    Args:
        shape: (height, width, 1) of the input; height and width multiples of 32, or None for any.
        classes: number of classes; there is one map for each.
        kind: kind of the encoder.
        scaling: scaling of the inputs.

    Returns:
        A model from (n, height, width, 1) to probabilities float32 (n, height, width, classes).
    """
    inputs = keras.Input(shape)
    features = gray_encoder(kind)(rescaling(kind, scaling)(inputs))
    return keras.Model(inputs, class_maps(decode(features, down_to=2), classes), name=UNET)


def decode(features: Sequence[Any], down_to: int) -> Any:
    """Add the decoder to an encoder's features, from stride 16 to the stride `down_to` (2 or more).

    The layers have the same names in every model, so that weights can be copied between models.
    """
    *skips, x = features
    for stride, filters, skip in zip(STRIDES, FILTERS, reversed(skips), strict=True):
        if stride < down_to:
            break
        x = layers.UpSampling2D(2)(x)
        x = _block(layers.Concatenate()([x, skip]), filters, f"{DECODER}_{stride}")
    return x


def class_maps(x: Any, classes: int, more: Any = None) -> Any:
    """Add the last layers: one map of probabilities for each class, at twice the size of `x`.

    Args:
        x: features (n, h, w, c).
        classes: number of classes.
        more: logits (n, h, w, m) of further maps; None if there are none.
    """
    bias = keras.initializers.Constant(_MOSTLY_SOUND)
    x = layers.Conv2D(classes, 3, padding="same", bias_initializer=bias, name=f"{DECODER}_maps")(x)
    return probabilities(x if more is None else layers.Concatenate()([x, more]))


def probabilities(logits: Any) -> Any:
    """Add the layers from logits to probabilities at twice the size."""
    doubled = layers.UpSampling2D(2, interpolation="bilinear")(logits)
    return layers.Activation("sigmoid", dtype="float32")(doubled)


def _block(x: Any, filters: int, name: str) -> Any:
    x = layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return layers.Activation("relu")(x)
