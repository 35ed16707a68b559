"""A gate that looks where a segmenter looks: is there a suspicious place anywhere?

A defect may be a few pixels of a strip. The gate is therefore the first half of the U-Net, encoder
and decoder down to stride 8, and a head that takes the maximum of its features beside their mean:
one place that answers strongly is enough. Where it begins with the segmenter's own weights, every
pixel that somebody outlined has taught it; labels of whole pictures alone teach less. (Mixed
supervision: Bozic, Tabernik and Skocaj, "Mixed supervision for surface-defect detection", 2021.)
"""

from __future__ import annotations

from steeldefect.preprocessing import Scaling
from training.backend import keras
from training.choices import Encoder
from training.models.encoders import gray_encoder, rescaling
from training.models.unet import decode

layers = keras.layers

_STRIDE = 8


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
    places = decode(features, down_to=_STRIDE)
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
