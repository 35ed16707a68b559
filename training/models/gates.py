"""Gates that look for suspicious places, with the encoder and decoder of the segmenter.

A defect may cover only a few pixels of a strip. Both gates therefore use the U-Net's encoder, and
its decoder down to stride 8. One place with a strong output is enough.

`encoder_gate` is trained on the labels of whole pictures. It may begin with the segmenter's
weights, which were trained on outlines.

`place_gate` is trained on outlines. It computes one probability for every place of 8 x 8 pixels;
the greatest is the probability of the picture. It can be trained on windows of pictures, and on
pictures with pasted defects. Labels of whole pictures teach less. (Mixed supervision: Bozic,
Tabernik and Skocaj, "Mixed supervision for surface-defect detection", 2021.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steeldefect.pictures.preprocessing import Scaling
from training.backend import keras
from training.models.encoders import gray_encoder, rescaling
from training.models.unet import decode
from training.recipe import Encoder

layers = keras.layers

STRIDE = 8
"""Side of a place, in pixels of the input."""

_MOSTLY_SOUND = -4.0  # initial outputs are near 2%, because few places are defective


def encoder_gate(
    shape: tuple[int | None, int | None, int], kind: Encoder, scaling: Scaling, dropout: float
) -> keras.Model:
    """Build the network with random weights.

    Args:
        shape: (height, width, 1) of the input; height and width multiples of 32, or None for any.
        kind: kind of the encoder.
        scaling: scaling of the inputs.
        dropout: share of features dropped before the last unit.

    Returns:
        A model from (n, height, width, 1) to probabilities float32 (n, 1).
    """
    inputs = keras.Input(shape)
    features = gray_encoder(kind)(rescaling(kind, scaling)(inputs))
    places = decode(features, down_to=STRIDE)
    x = layers.Concatenate()(
        [
            layers.GlobalMaxPooling2D()(places),
            layers.GlobalAveragePooling2D()(places),
            layers.GlobalAveragePooling2D()(features[-1]),
        ]
    )
    x = layers.Dropout(dropout)(x)
    outputs = layers.Dense(1, activation="sigmoid", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="encoder_gate")


def place_gate(
    shape: tuple[int | None, int | None, int], kind: Encoder, scaling: Scaling, dropout: float
) -> keras.Model:
    """Build the network for training, with random weights and one output for every place.

    Args:
        shape: (height, width, 1) of the input; height and width multiples of 32, or None for any.
        kind: kind of the encoder.
        scaling: scaling of the inputs.
        dropout: share of feature maps dropped before the last convolution.

    Returns:
        A model from (n, height, width, 1) to probabilities float32
        (n, height / STRIDE, width / STRIDE, 1). `greatest_place` turns it into a gate.
    """
    inputs = keras.Input(shape)
    features = gray_encoder(kind)(rescaling(kind, scaling)(inputs))
    return keras.Model(inputs, places_of(features, dropout), name="place_gate")


def places_of(features: Sequence[Any], dropout: float) -> Any:
    """Add the layers behind a place gate's encoder; return one probability for every place."""
    x = layers.SpatialDropout2D(dropout)(decode(features, down_to=STRIDE))
    bias = keras.initializers.Constant(_MOSTLY_SOUND)
    x = layers.Conv2D(1, 3, padding="same", bias_initializer=bias, name="places")(x)
    return layers.Activation("sigmoid", dtype="float32")(x)


def greatest_place(places: keras.Model) -> keras.Model:
    """Return a gate (n, 1) whose probability is the greatest output over all places."""
    outputs = layers.GlobalMaxPooling2D()(places.output)
    return keras.Model(places.input, outputs, name=places.name)
