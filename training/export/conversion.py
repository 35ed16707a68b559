"""Keras models in OpenVINO's form, by way of a SavedModel on disk.

OpenVINO reads a SavedModel with code of its own, on every Python. What converts a Keras model in
memory asks for TensorFlow's version in a way that Python 3.13 no longer allows (PEP 667), and fails
there. Both ways give the same layers and the same weights.
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
"""Name of a converted model's output; converted models of all versions have it."""


def convert(model: keras.Model, spec: InputSpec, scratch: Path) -> ov.Model:
    """Convert a Keras model to OpenVINO, in float32.

    Args:
        model: from (n, height, width, channels) to one output.
        spec: of the model's input; the number of pictures stays open.
        scratch: existing folder on a disk with room for the model's weights. A folder in it is
            written and deleted again.

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
        # OpenVINO cuts a path at its commas, and `scratch` may have some
        link = Path(links, "saved_model")
        link.symlink_to(Path(folder).absolute())
        converted = ov.convert_model(link)
    # a SavedModel has a name of its own for it
    converted.output(0).set_names({OUTPUT})
    return converted
