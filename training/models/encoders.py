"""Pre-trained encoders for gray pictures: features at strides 2, 4, 8, 16 and 32.

The encoders are Keras' MobileNetV2 and ResNet50 for one channel. The kernels of the first
convolution are summed over the colours, which gives the same output as for a picture with equal
red, green and blue. A rescaling layer before the encoder gives the values the spread that the
ImageNet weights were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steeldefect.pictures.preprocessing import Scaling
from training.backend import keras
from training.recipe import Encoder

layers = keras.layers

ENCODER = "encoder"
"""Name of the encoder in every model that has one."""

BATCH_NORM_MOMENTUM = 0.95
"""Momentum of batch statistics. With Keras' 0.999 for MobileNetV2, a short fit would end with
ImageNet's statistics almost unchanged."""


@dataclass(frozen=True)
class _Kind:
    build: Any
    first_kernel: str
    skips: tuple[str, str, str, str]
    last: str
    unit: tuple[float, float]  # scale and offset of values in [0, 1]
    spread: float  # standard deviation of ImageNet's pictures as inputs of the network


_KINDS = {
    Encoder.MOBILENETV2: _Kind(
        keras.applications.MobileNetV2,
        "Conv1",
        ("expanded_conv_project_BN", "block_2_add", "block_5_add", "block_12_add"),
        "block_16_project_BN",
        (2.0, -1.0),
        0.5,
    ),
    Encoder.RESNET50: _Kind(
        keras.applications.ResNet50,
        "conv1_conv",
        ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"),
        "conv5_block3_out",
        (255.0, -116.0),
        58.0,
    ),
}


def colour_network(kind: Encoder) -> keras.Model:
    """Build Keras' network for three channels, with random weights."""
    return _KINDS[kind].build(weights=None, include_top=False, input_shape=(None, None, 3))


def stage_ends(kind: Encoder) -> tuple[str, ...]:
    """Return the layers at which a file of weights may end; the last layer comes first."""
    return tuple(reversed([*_KINDS[kind].skips[1:], _KINDS[kind].last]))


def gray_encoder(kind: Encoder) -> keras.Model:
    """Build the network for one channel, with random weights.

    Its layers have the same names as in `colour_network`; layers after the last features are left
    out.

    Returns:
        A model from (n, h, w, 1) to five feature maps, at strides 2, 4, 8, 16 and 32.
    """
    one = _KINDS[kind]
    whole = one.build(weights=None, include_top=False, input_shape=(None, None, 1))
    for layer in whole.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    features = [whole.get_layer(name).output for name in (*one.skips, one.last)]
    return keras.Model(whole.input, features, name=ENCODER)


def rescaling(kind: Encoder, scaling: Scaling) -> Any:
    """Create the layer that rescales inputs to the values the ImageNet weights were trained on."""
    one = _KINDS[kind]
    if scaling is Scaling.UNIT:
        return layers.Rescaling(one.unit[0], offset=one.unit[1], name="imagenet_range")
    return layers.Rescaling(one.spread, name="imagenet_range")


def transfer(kind: Encoder, source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of a colour network, or of its first stages, into a gray encoder."""
    known = {layer.name for layer in target.layers}
    for layer in source.layers:
        values = layer.get_weights()
        if values and layer.name in known:
            if layer.name == _KINDS[kind].first_kernel:
                values[0] = np.sum(values[0], axis=2, keepdims=True)
            target.get_layer(layer.name).set_weights(values)
