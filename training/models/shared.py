"""A gate that is a part of the segmenter's network: both models share one encoder.

The gate takes the picture through the U-Net's encoder, with the weights of the fitted segmenter.
Layers of its own turn the features into one probability for every place of 8 x 8 pixels, as in
`training.models.gates.place_gate`. Only these layers are trained. They are narrower than the
segmenter's decoder, because the gate runs on every picture.

A bundle holds this network in two parts. The gate gives the greatest probability, and the encoder's
features. The segmenter takes these features, not pictures. So the encoder, which takes most of the
time, runs once for each picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steeldefect.pictures.preprocessing import Scaling
from training.backend import keras
from training.models.encoders import gray_encoder, rescaling
from training.models.gates import MOSTLY_SOUND
from training.models.unet import STRIDES, UNET, class_maps, decode, decoder_stage
from training.recipe import Encoder, Gate

layers = keras.layers

SHARED_GATE = "shared_gate"
"""Name of the gate's model."""

OWN = "gate"
"""Prefix of the names of the gate's own layers."""

_FILTERS = (64, 32)  # at strides 16 and 8


def shared_gate(
    shape: tuple[int | None, int | None, int], kind: Encoder, scaling: Scaling, dropout: float
) -> keras.Model:
    """Build the gate for training, with random weights and one output for every place.

    Args:
        shape: (height, width, 1) of the input; height and width multiples of 32, or None for any.
        kind: kind of the encoder.
        scaling: scaling of the inputs.
        dropout: share of features dropped before the last layer.

    Returns:
        A model from (n, height, width, 1) to probabilities float32
        (n, height / STRIDE, width / STRIDE, 1).
    """
    inputs = keras.Input(shape)
    features = gray_encoder(kind)(rescaling(kind, scaling)(inputs))
    return keras.Model(inputs, _places(features, dropout), name=SHARED_GATE)


def in_two_parts(
    gate: keras.Model, segmenter: keras.Model, settings: Gate
) -> tuple[keras.Model, keras.Model]:
    """Divide the common network of a fitted gate and segmenter into the two models of a bundle.

    Args:
        gate: fitted model of `shared_gate`.
        segmenter: fitted U-Net whose encoder the gate has.
        settings: section of the recipe, with a fixed input size.

    Returns:
        The gate, a model from (n, height, width, 1) to a list: probabilities (n, 1), then features
        (n, h, w, c). The segmenter, a model from the list of features to probabilities
        (n, height, width, classes). Both are float32, and for whole pictures of one size.
    """
    spec, kind = settings.spec, settings.encoder
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    features = gray_encoder(kind)(rescaling(kind, spec.scaling)(inputs))
    probability = layers.GlobalMaxPooling2D()(_places(features, dropout=0.0))
    first = keras.Model(inputs, [probability, *features], name=SHARED_GATE)
    taken = [keras.Input(one.shape[1:]) for one in features]
    maps = class_maps(decode(taken, down_to=STRIDES[-1]), segmenter.output_shape[-1])
    second = keras.Model(taken, maps, name=UNET)
    _copy(gate, first)
    _copy(segmenter, second)
    return first, second


def _places(features: Sequence[Any], dropout: float) -> Any:
    """Add the gate's own layers."""
    *skips, x = features
    for stride, filters, skip in zip(STRIDES, _FILTERS, reversed(skips), strict=False):
        x = decoder_stage(x, skip, filters, f"{OWN}_{stride}")
    x = layers.SpatialDropout2D(dropout)(x)
    bias = keras.initializers.Constant(MOSTLY_SOUND)
    x = layers.Conv2D(1, 3, padding="same", bias_initializer=bias, name=f"{OWN}_places")(x)
    return layers.Activation("sigmoid", dtype="float32")(x)


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of the layers of the same names."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())
