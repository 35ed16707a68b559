"""The tutorial's gate: ResNet50 and a pooled head of 256 units, one sigmoid.

Source: the tutorial, part 4. At 256x256x3 it has 25,685,377 parameters.
"""

from __future__ import annotations

from training.backend import keras
from training.models.weights import LoadedWeights

layers = keras.layers

HEAD_UNITS = 256
_POOL = (4, 4)
_IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


def resnet50_base(shape: tuple[int, int, int]) -> keras.Model:
    """Build ResNet50 without its top, at random weights.

    Args:
        shape: (height, width, 3) of the input.
    """
    return keras.applications.ResNet50(weights=None, include_top=False, input_shape=shape)


def resnet50_gate(
    base: keras.Model, loaded: LoadedWeights, dropout: float, freeze_base: bool
) -> keras.Model:
    """Put the tutorial's head on a base.

    The ImageNet weights were trained on gray values of 0 to 255 less their mean. Inputs in
    [0, 1] would be all but black to them, so where weights were loaded the model begins with
    that rescaling. Frozen layers keep weights and batch statistics; only layers that were really
    loaded are frozen, as random ones would stay random.

    Args:
        base: of `resnet50_base`.
        loaded: what pre-trained weights went into it.
        dropout: before the last unit, as a share.
        freeze_base: whether the loaded layers keep their weights.

    Returns:
        A model from (n, height, width, 3) in [0, 1] to probabilities (n, 1).
    """
    for layer in loaded.layers if freeze_base else ():
        layer.trainable = False
    inputs, features = base.input, base.output
    if loaded.layers:
        inputs = keras.Input(base.input_shape[1:])
        offset = [-mean for mean in _IMAGENET_MEAN_BGR]
        features = base(layers.Rescaling(255.0, offset=offset)(inputs))
    x = layers.AveragePooling2D(pool_size=_POOL)(features)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(HEAD_UNITS, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs, name="resnet50_gate")
