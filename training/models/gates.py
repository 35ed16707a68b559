"""A gate on a pre-trained encoder: is there a suspicious place anywhere?

A defect may be a few pixels of a strip. Beside the mean of the last features, which sees what
covers much of a picture, the head therefore takes their maximum, at two strides: one place that
answers strongly is enough.
"""

from __future__ import annotations

from steeldefect.preprocessing import Scaling
from training.backend import keras
from training.choices import Encoder
from training.models.encoders import gray_encoder, rescaling

layers = keras.layers


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
    *_, fine, coarse = gray_encoder(kind)(rescaling(kind, scaling)(inputs))
    x = layers.Concatenate()(
        [
            layers.GlobalMaxPooling2D()(fine),
            layers.GlobalMaxPooling2D()(coarse),
            layers.GlobalAveragePooling2D()(coarse),
        ]
    )
    x = layers.BatchNormalization(momentum=0.95)(x)
    x = layers.Dropout(dropout)(x)
    outputs = layers.Dense(1, activation="sigmoid", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="encoder_gate")
