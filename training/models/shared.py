"""A gate and a segmenter as the two parts of one network, with one encoder.

A gate of kind `shared` is fitted as one of kind `places` (`training.models.gates.place_gate`): on
the frozen encoder of the fitted segmenter. Both models then have the same encoder, and a bundle
needs it once. The first part is the gate: it gives the greatest probability, and the encoder's
features. The second part is the segmenter: it takes these features, not pictures. So the encoder,
which takes most of the time, runs once for each picture.

The decoder is not shared. With the segmenter's decoder, frozen as well, down to stride 8, the gate
would find fewer defects (docs/models.md).
"""

from __future__ import annotations

from training.backend import keras
from training.models.encoders import gray_encoder, rescaling
from training.models.gates import places_of
from training.models.unet import STRIDES, UNET, class_maps, decode
from training.recipe import Gate

layers = keras.layers

SHARED_GATE = "shared_gate"
"""Name of the first part."""


def in_two_parts(
    gate: keras.Model, segmenter: keras.Model, settings: Gate
) -> tuple[keras.Model, keras.Model]:
    """Divide the common network of a fitted gate and segmenter into the two models of a bundle.

    Args:
        gate: fitted model of `training.models.gates.place_gate`, of any size.
        segmenter: fitted U-Net whose encoder the gate has.
        settings: the gate's section of the recipe, with a fixed input size.

    Returns:
        The gate, a model from (n, height, width, 1) to a list: probabilities (n, 1), then features
        (n, h, w, c) at strides 2, 4, 8, 16 and 32. The segmenter, a model from the list of features
        to probabilities (n, height, width, classes). Both are float32, and for whole pictures of
        one size.
    """
    spec, kind = settings.spec, settings.encoder
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    features = gray_encoder(kind)(rescaling(kind, spec.scaling)(inputs))
    probability = layers.GlobalMaxPooling2D()(places_of(features, settings.dropout))
    first = keras.Model(inputs, [probability, *features], name=SHARED_GATE)
    taken = [keras.Input(one.shape[1:]) for one in features]
    maps = class_maps(decode(taken, down_to=STRIDES[-1]), segmenter.output_shape[-1])
    second = keras.Model(taken, maps, name=UNET)
    _copy(gate, first)
    _copy(segmenter, second)
    return first, second


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of the layers of the same names."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())
