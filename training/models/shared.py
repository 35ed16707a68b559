"""A gate and a segmenter as the two parts of one network, with one encoder.

A gate of kind `shared` is fitted as one of kind `places` (`training.models.gates.place_gate`): on
the frozen encoder of the fitted segmenter. Both models then have the same encoder, and a bundle
needs it once. The first part is the gate: it gives the greatest probability, and the encoder's
features. The second part is the segmenter: it takes these features, not pictures. So the encoder,
which takes most of the time, runs once for each picture.

The first part may also say how odd a picture is (`training.models.novelty`): its answers then have
a second column, and its last features are the logits of oddness, which the second part enlarges to
the last of its class maps. A network for pictures without any labels has nothing else in it.

The decoder is not shared. With the segmenter's decoder, frozen as well, down to stride 8, the gate
would find fewer defects (docs/models.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steeldefect.bundle.manifest import UNKNOWN
from steeldefect.runtimes.parts import FEATURES
from training.backend import keras
from training.models.encoders import ENCODER, gray_encoder, rescaling
from training.models.gates import places_of
from training.models.novelty import NOVELTY, STRIDE, Odd, oddness_logits
from training.models.unet import STRIDES, UNET, class_maps, decode, probabilities
from training.recipe import Gate, Segmenter

layers = keras.layers

SHARED_GATE = "shared_gate"
"""Name of the first part."""


def in_two_parts(
    gate: keras.Model, segmenter: keras.Model, settings: Gate, odd: Odd | None = None
) -> tuple[keras.Model, keras.Model]:
    """Divide the common network of a fitted gate and segmenter into the two models of a bundle.

    Args:
        gate: fitted model of `training.models.gates.place_gate`, of any size.
        segmenter: fitted U-Net whose encoder the gate has.
        settings: the gate's section of the recipe, with a fixed input size.
        odd: what clean pictures look like; None if nobody asks how odd a picture is.

    Returns:
        The gate, a model from (n, height, width, 1) to a list: answers (n, 1), probabilities, then
        features (n, h, w, c) at strides 2, 4, 8, 16 and 32. The segmenter, a model from the list of
        features to probabilities (n, height, width, classes). Both are float32, and for whole
        pictures of one size. With `odd`, answers are (n, 2), with the oddness of the oddest place;
        the logits of oddness follow the features, and come out as one more class map.
    """
    spec, kind = settings.spec, settings.encoder
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    features = gray_encoder(kind)(rescaling(kind, spec.scaling)(inputs))
    answers = layers.GlobalMaxPooling2D()(places_of(features, settings.dropout))
    given = list(features)
    if odd is not None:
        logits = oddness_logits(features, odd)
        answers = layers.Concatenate()([answers, _oddest(logits)])
        given.append(logits)
    first = keras.Model(inputs, [answers, *given], name=SHARED_GATE)
    taken = feature_inputs(given)
    decoded = decode(taken[: len(features)], down_to=STRIDES[-1])
    more = None if odd is None else _enlarged(taken[-1])
    maps = class_maps(decoded, segmenter.output_shape[-1], more)
    second = keras.Model(taken, maps, name=UNET)
    _copy(gate, first)
    _copy(segmenter, second)
    return first, second


def of_the_unknown(
    segmenter: keras.Model, settings: Segmenter, odd: Odd
) -> tuple[keras.Model, keras.Model]:
    """Build the two models of a bundle that only says how odd pictures are.

    Args:
        segmenter: model with the encoder; nothing else of it is used.
        settings: the segmenter's section of the recipe, with a fixed input size.
        odd: what clean pictures look like.

    Returns:
        As `in_two_parts`: both columns of the answers are the oddness, and its logits are the only
        feature, and become the only class map.
    """
    spec, kind = settings.spec, settings.encoder
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    features = gray_encoder(kind)(rescaling(kind, spec.scaling)(inputs))
    logits = oddness_logits(features, odd)
    answer = _oddest(logits)
    first = keras.Model(inputs, [layers.Concatenate()([answer, answer]), logits], name=SHARED_GATE)
    encoder = first.get_layer(ENCODER)
    encoder.set_weights(segmenter.get_layer(ENCODER).get_weights())
    taken = feature_inputs([logits])
    return first, keras.Model(taken[0], probabilities(_enlarged(taken[0])), name=UNKNOWN)


def _oddest(logits: Any) -> Any:
    """Return the oddness of the oddest place, (n, 1)."""
    return layers.Activation("sigmoid", dtype="float32")(layers.GlobalMaxPooling2D()(logits))


def feature_inputs(features: Sequence[Any]) -> list[Any]:
    """Return the inputs of a second part, named as those of no model of pictures."""
    return [
        keras.Input(one.shape[1:], name=f"{FEATURES}{number}")
        for number, one in enumerate(features, start=1)
    ]


def _enlarged(logits: Any) -> Any:
    """Return a map of oddness at half the size of the model's input.

    It is doubled again and again, because compiled forms double maps cheaply
    (`training.export.cheap_upsampling`).
    """
    for _ in range((STRIDE // STRIDES[-1]).bit_length() - 1):
        logits = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32")(logits)
    return logits


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of the layers of the same names."""
    for layer in target.layers:
        if layer.weights and not layer.name.startswith(NOVELTY):
            layer.set_weights(source.get_layer(layer.name).get_weights())
