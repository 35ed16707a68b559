"""The tutorial's gate: ResNet50, a pooled head of 256 units, and one sigmoid unit.

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
    """Build ResNet50 without its top, with random weights.

    Args:
        shape: (height, width, 3) of the input.
    """
    return keras.applications.ResNet50(weights=None, include_top=False, input_shape=shape)


def resnet50_gate(
    base: keras.Model, loaded: LoadedWeights, dropout: float, freeze_base: bool
) -> keras.Model:
    """Build a gate from a base and the tutorial's head.

    The ImageNet weights were trained on values of 0 to 255 minus their mean. Inputs in [0, 1]
    would look almost black to them. If weights were loaded, the model therefore begins with a
    layer that rescales inputs. Frozen layers keep weights and batch statistics. Only loaded layers
    are frozen, because frozen random layers would stay random.

    Args:
        base: model of `resnet50_base`.
        loaded: pre-trained weights that were loaded into the base.
        dropout: share of units dropped before the last unit.
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
