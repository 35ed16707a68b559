"""Convert Keras models to OpenVINO, through a SavedModel on disk.

OpenVINO reads a SavedModel with its own code, on every Python version. Its converter for Keras
models in memory fails on Python 3.13: it reads TensorFlow's version in a way that PEP 667 no
longer allows. Both ways give the same layers and the same weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openvino as ov
from openvino import opset13 as ops

from steeldefect.pictures.preprocessing import InputSpec
from steeldefect.runtimes.parts import FEATURES, takes_features
from training.backend import keras, tf
from training.export.axes import TO_PIXELS, TO_PLANES, in_planes, put_in_place_of

INPUT = "batch"
"""Name of a converted model's input."""

OUTPUT = "Identity:0"
"""Name of a converted model's first output; it is the same in bundles of all versions."""

_ANSWER = "output_"  # prefix of the names of a SavedModel's outputs


def convert(model: keras.Model, spec: InputSpec, scratch: Path) -> ov.Model:
    """Convert a Keras model to OpenVINO, in float32.

    Args:
        model: model from (n, height, width, channels), or from features of fixed sizes, to one or
            more outputs.
        spec: input of a model of pictures; the number of pictures stays variable.
        scratch: existing folder on a disk with room for the model's weights. A temporary
            subfolder is written and deleted.

    Returns:
        A model with the same inputs and outputs in the same order. The input of pictures is named
        `INPUT`, float32 (?, height, width, channels); the first output is named `OUTPUT`. Features
        are named `FEATURES` with a number from 1. They have their channels before height and width,
        because OpenVINO then hands them on in its own order of values.
    """
    signature = inputs_of(model, spec)
    with (
        tempfile.TemporaryDirectory(prefix=".saved_model-", dir=scratch) as folder,
        tempfile.TemporaryDirectory() as links,
    ):
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", _numbered(model), signature)
        archive.write_out(folder, verbose=False)
        # OpenVINO splits a path at commas, and `scratch` may contain commas
        link = Path(links, "saved_model")
        link.symlink_to(Path(folder).absolute())
        converted = ov.convert_model(link)
    return _in_order(converted, [one.name for one in signature], len(model.outputs))


def inputs_of(model: keras.Model, spec: InputSpec) -> list[tf.TensorSpec]:
    """Return the inputs of a model, with their names in the converted model.

    Args:
        model: see `convert`.
        spec: input of a model of pictures; a model of features takes the shapes that it has.
    """
    if not takes_features(model.inputs[0].name):
        shape = [None, spec.height, spec.width, spec.channels]
        return [tf.TensorSpec(shape, tf.float32, name=INPUT)]
    return [
        tf.TensorSpec([None, *one.shape[1:]], tf.float32, name=f"{FEATURES}{number}")
        for number, one in enumerate(model.inputs, start=1)
    ]


def run_model(model: keras.Model, inputs: Sequence[Any]) -> list[Any]:
    """Run a Keras model as scoring does; return its outputs in their order."""
    taken = inputs[0] if len(inputs) == 1 else list(inputs)
    return list(keras.tree.flatten(model(taken, training=False)))


def _numbered(model: keras.Model) -> Callable[..., dict[str, Any]]:
    """Return a function of the model's inputs whose result names each output by its number."""
    return lambda *inputs: {
        f"{_ANSWER}{number}": output for number, output in enumerate(run_model(model, inputs))
    }


def _in_order(converted: ov.Model, inputs: Sequence[str], outputs: int) -> ov.Model:
    """Return the model with its inputs and outputs in the order of the Keras model.

    A SavedModel sorts them in its own way, and names outputs differently.
    """
    results = [converted.output(f"{_ANSWER}{number}").get_node() for number in range(outputs)]
    results[1:] = map(_given_in_planes, results[1:])
    for number, result in enumerate(results):
        result.output(0).set_names({OUTPUT if number == 0 else f"{FEATURES}{number}"})
    parameters = [converted.input(name).get_node() for name in inputs]
    if takes_features(inputs[0]):
        parameters = list(map(_taken_in_planes, parameters))
    for name, parameter in zip(inputs, parameters, strict=True):
        parameter.set_friendly_name(name)
        parameter.output(0).set_names({name})
    return ov.Model(results, parameters, converted.get_friendly_name())


def _given_in_planes(result: Any) -> Any:
    """Return a result (n, c, h, w) for a result (n, h, w, c)."""
    return ops.result(in_planes(result.input_value(0)))


def _taken_in_planes(parameter: Any) -> Any:
    """Return a parameter (n, c, h, w) that replaces a parameter (n, h, w, c)."""
    count, *size, channels = list(parameter.get_partial_shape())
    planes = ops.parameter(ov.PartialShape([count, channels, *size]), ov.Type.f32)
    pixels = ops.transpose(planes, ops.constant(TO_PIXELS))
    for user in parameter.output(0).get_target_inputs():
        node = user.get_node()
        turns = node.get_type_name() == "Transpose"
        if turns and node.input_value(1).get_node().data.tolist() == TO_PLANES:
            put_in_place_of(node, planes)
        else:
            user.replace_source_output(pixels.output(0))
    return planes
