"""Convert Keras models to OpenVINO, through a SavedModel on disk.

OpenVINO reads a SavedModel with its own code, on every Python version. Its converter for Keras
models in memory fails on Python 3.13: it reads TensorFlow's version in a way that PEP 667 no
longer allows. Both ways give the same layers and the same weights.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import openvino as ov

from steeldefect.pictures.preprocessing import InputSpec
from training.backend import keras, tf

INPUT = "batch"
"""Name of a converted model's input."""

OUTPUT = "Identity:0"
"""Name of a converted model's output; it is the same in bundles of all versions."""


def convert(model: keras.Model, spec: InputSpec, scratch: Path) -> ov.Model:
    """Convert a Keras model to OpenVINO, in float32.

    Args:
        model: model from (n, height, width, channels) to one output.
        spec: input of the model; the number of pictures stays variable.
        scratch: existing folder on a disk with room for the model's weights. A temporary
            subfolder is written and deleted.

    Returns:
        A model with the input `INPUT`, float32 (?, height, width, channels), and the output
        `OUTPUT`.
    """
    shape = [None, spec.height, spec.width, spec.channels]
    signature = [tf.TensorSpec(shape, tf.float32, name=INPUT)]
    with (
        tempfile.TemporaryDirectory(prefix=".saved_model-", dir=scratch) as folder,
        tempfile.TemporaryDirectory() as links,
    ):
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", lambda batch: model(batch, training=False), signature)
        archive.write_out(folder, verbose=False)
        # OpenVINO splits a path at commas, and `scratch` may contain commas
        link = Path(links, "saved_model")
        link.symlink_to(Path(folder).absolute())
        converted = ov.convert_model(link)
    # a SavedModel names its output differently
    converted.output(0).set_names({OUTPUT})
    return converted
