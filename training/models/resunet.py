"""The tutorial's segmenter: a U-Net of residual blocks, with one sigmoid map for each class.

Source: the tutorial, part 6, after github.com/nikhilroxtomar/Deep-Residual-Unet. At 256x256x1
with four classes it has 1,210,276 parameters.
"""

from __future__ import annotations

from typing import Any

from training.backend import keras

layers = keras.layers

REDUCTION = 16
"""Height and width of the input are multiples of this."""


def resunet(shape: tuple[int | None, int | None, int], classes: int) -> keras.Model:
    """Build the network with random weights.

    Args:
        shape: (height, width, channels) of the input; height and width multiples of `REDUCTION`,
            or None for any.
        classes: number of classes; there is one map for each.

    Returns:
        A model from (n, height, width, channels) to probabilities (n, height, width, classes).
    """
    inputs = keras.Input(shape)
    first = _plain_block(_plain_block(inputs, 16), 16)
    skips = [first]
    for filters in (32, 64, 128, 256):
        pooled = layers.MaxPool2D((2, 2))(skips[-1])
        skips.append(_residual_block(pooled, filters))
    x = skips.pop()
    for filters in (128, 64, 32, 16):
        merged = layers.Concatenate()([layers.UpSampling2D((2, 2))(x), skips.pop()])
        x = _residual_block(merged, filters)
    outputs = layers.Conv2D(classes, (1, 1), padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, outputs, name="resunet")


def _plain_block(x: Any, filters: int) -> Any:
    x = layers.Conv2D(
        filters, 3, activation="relu", padding="same", kernel_initializer="he_normal"
    )(x)
    return layers.BatchNormalization()(x)


def _residual_block(x: Any, filters: int) -> Any:
    main = _convolve(x, filters, 1)
    main = layers.Activation("relu")(main)
    main = _convolve(main, filters, 3)
    shortcut = _convolve(x, filters, 1)
    return layers.Activation("relu")(layers.Add()([main, shortcut]))


def _convolve(x: Any, filters: int, size: int) -> Any:
    x = layers.Conv2D(filters, size, padding="same", kernel_initializer="he_normal")(x)
    return layers.BatchNormalization()(x)
