"""Small networks for the demonstration and the tests: minutes on two cores, no pre-training.

The first layer of both already halves height and width, to save time. Inputs keep the proportions
of a strip, while the tutorial's models squeeze it into a square.
"""

from __future__ import annotations

from typing import Any

from training.backend import keras

layers = keras.layers

REDUCTION = 16
"""Height and width of the input are multiples of this."""


def small_gate(shape: tuple[int, int, int], dropout: float = 0.2) -> keras.Model:
    """Build a classifier that looks for the most suspicious place.

    Args:
        shape: (height, width, channels) of the input; height and width multiples of `REDUCTION`.
        dropout: share of features dropped before the last unit.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, 1).
    """
    inputs = keras.Input(shape)
    x = _block(inputs, 16, stride=2)
    for filters in (24, 32, 48):
        x = _block(x, filters, stride=2)
        x = _block(x, filters)
    x = layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)])
    x = layers.Dropout(dropout)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs, name="small_gate")


def small_unet(shape: tuple[int | None, int | None, int], classes: int) -> keras.Model:
    """Build a U-Net whose first stage works at half the input's size.

    Args:
        shape: (height, width, channels) of the input; height and width multiples of `REDUCTION`,
            or None for any.
        classes: number of classes; there is one map for each.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, height, width, classes).
    """
    inputs = keras.Input(shape)
    skips = [_block(inputs, 16, stride=2, size=5)]
    for filters in (24, 48, 64):
        x = _block(skips[-1], filters, stride=2)
        skips.append(_block(x, filters))
    x = skips.pop()
    for filters in (48, 24, 16):
        merged = layers.Concatenate()([layers.UpSampling2D((2, 2))(x), skips.pop()])
        x = _block(merged, filters)
    outputs = layers.Conv2DTranspose(
        classes, 2, strides=2, activation="sigmoid", bias_initializer=_mostly_sound()
    )(x)
    return keras.Model(inputs, outputs, name="small_unet")


def _mostly_sound() -> Any:
    """Return a bias with initial outputs near 5%: few pixels are defective."""
    return keras.initializers.Constant(-3.0)


def _block(x: Any, filters: int, stride: int = 1, size: int = 3) -> Any:
    x = layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
