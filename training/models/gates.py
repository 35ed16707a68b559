"""Gates that look where a segmenter looks: is there a suspicious place anywhere?

A defect may be a few pixels of a strip. Both gates are therefore the first half of the U-Net,
encoder and decoder down to stride 8, and one place that answers strongly is enough.

`encoder_gate` learns from the labels of whole pictures. Where it begins with the segmenter's own
weights, every pixel that somebody outlined has taught it first.

`place_gate` learns from the outlines themselves: one probability for every place of 8 x 8 pixels,
and the greatest is the picture's. It sees windows instead of whole pictures, with and without a
defect, and defects pasted onto clean pictures; labels of whole pictures teach less. (Mixed
supervision: Bozic, Tabernik and Skocaj, "Mixed supervision for surface-defect detection", 2021.)
"""

from __future__ import annotations

from steeldefect.pictures.preprocessing import Scaling
from training.backend import keras
from training.models.encoders import gray_encoder, rescaling
from training.models.unet import decode
from training.recipe import Encoder

layers = keras.layers

STRIDE = 8
"""Side of a place, in pixels of the input."""

_MOSTLY_SOUND = -4.0  # begin with answers near 2%: that few places are defective


def encoder_gate(
    shape: tuple[int | None, int | None, int], kind: Encoder, scaling: Scaling, dropout: float
) -> keras.Model:
    """Build the network at random weights.

    Args:
        shape: (height, width, 1); multiples of 32, or None for any.
        kind: of the encoder.
        scaling: of the inputs.
        dropout: before the last unit, as a share.

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
    """Build the network at random weights, as it is trained: with an answer for every place.

    Args:
        shape: (height, width, 1); multiples of 32, or None for any.
        kind: of the encoder.
        scaling: of the inputs.
        dropout: before the last convolution, as a share of the features.

    Returns:
        A model from (n, height, width, 1) to probabilities float32
        (n, height / STRIDE, width / STRIDE, 1); `greatest_place` makes it a gate.
    """
    inputs = keras.Input(shape)
    features = gray_encoder(kind)(rescaling(kind, scaling)(inputs))
    x = layers.SpatialDropout2D(dropout)(decode(features, down_to=STRIDE))
    x = layers.Conv2D(
        1, 3, padding="same", bias_initializer=keras.initializers.Constant(_MOSTLY_SOUND)
    )(x)
    outputs = layers.Activation("sigmoid", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="place_gate")


def greatest_place(places: keras.Model) -> keras.Model:
    """Turn a model that answers for every place into a gate: (n, 1), the greatest counts."""
    outputs = layers.GlobalMaxPooling2D()(places.output)
    return keras.Model(places.input, outputs, name=places.name)
