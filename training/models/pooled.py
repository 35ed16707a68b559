"""Several fitted networks as one: the mean of their answers.

    L. K. Hansen and P. Salamon, "Neural network ensembles", 1990

The members are parts of one Keras model, so that it is exported, quantised and run as any other. If
the members' gates share an encoder with their segmenters, the features of all members are given on,
member by member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.backend import keras
from training.models.shared import feature_inputs

layers = keras.layers

POOLED = "pooled"
"""Name of the segmenter, and beginning of the name of the gate."""


def mean_gate(gates: Sequence[keras.Model], shared: bool, odd: bool) -> keras.Model:
    """Join gates into one that gives the mean of their probabilities.

    Args:
        gates: two or more models of one input size, as in their bundles.
        shared: each gives an answer and features, as `training.models.shared.in_two_parts` says.
        odd: each answer has the oddness as a second column. That of the first member is given.

    Returns:
        A model of pictures as each of them is. Shared ones give all members' features.
    """
    inputs = keras.Input(gates[0].input.shape[1:])
    outputs = [_member(one, f"gate_{number}")(inputs) for number, one in enumerate(gates, start=1)]
    if not shared:
        return keras.Model(inputs, _mean(outputs), name=f"{POOLED}_gate")
    answers = [one[0] for one in outputs]
    mean = _joined(answers, odd)
    features = [feature for one in outputs for feature in one[1:]]
    return keras.Model(inputs, [mean, *features], name=f"{POOLED}_gate")


def mean_segmenter(segmenters: Sequence[keras.Model], odd: bool) -> keras.Model:
    """Join segmenters into one that gives the mean of their class maps.

    Args:
        segmenters: two or more models of one input size, as in their bundles: all take pictures, or
            all take the features of a shared gate.
        odd: the last of each member's maps is one of oddness. That of the first member is given.

    Returns:
        A model of pictures, or of the features of `mean_gate`.
    """
    first = segmenters[0].inputs
    of_pictures = len(first) == 1
    if of_pictures:
        taken = [keras.Input(first[0].shape[1:])]
        given = [taken] * len(segmenters)
    else:
        taken = feature_inputs([one for model in segmenters for one in model.inputs])
        count = len(first)
        given = [taken[at : at + count] for at in range(0, len(taken), count)]
    maps = [
        _member(one, f"segmenter_{number}")(own[0] if of_pictures else own)
        for number, (one, own) in enumerate(zip(segmenters, given, strict=True), start=1)
    ]
    return keras.Model(taken[0] if of_pictures else taken, _joined(maps, odd), name=POOLED)


def _joined(answers: Sequence[Any], odd: bool) -> Any:
    """Return the mean of answers; with `odd`, of all but their last channels."""
    if not odd:
        return _mean(answers)
    mean = _mean([one[..., :-1] for one in answers])
    return layers.Concatenate()([mean, answers[0][..., -1:]])


def _mean(answers: Sequence[Any]) -> Any:
    return layers.Average(dtype="float32")(list(answers))


def _member(model: keras.Model, name: str) -> keras.Model:
    """Return a member under a name of its own; layers and weights are those of `model`."""
    output = model.outputs if len(model.outputs) > 1 else model.output
    taken = model.inputs if len(model.inputs) > 1 else model.input
    return keras.Model(taken, output, name=name)
