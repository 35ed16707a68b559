"""From the model that was trained to the one that is exported."""

from __future__ import annotations

from typing import Any

from steeldefect.pictures.preprocessing import InputSpec
from training.backend import keras


def for_export(model: keras.Model, spec: InputSpec) -> keras.Model:
    """Copy a model: float32 throughout, for whole pictures of one size, never compiled.

    Training may have used half precision, or crops of any size; scoring does neither. Without
    its optimizer, a copy is also a third as large as what was trained.
    """

    def as_float32(layer: Any) -> Any:
        config = layer.get_config()
        config["dtype"] = "float32"
        return layer.__class__.from_config(config)

    inputs = keras.Input((spec.height, spec.width, spec.channels))
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    copy = keras.models.clone_model(
        uncompiled, input_tensors=inputs, clone_function=as_float32, recursive=True
    )
    copy.set_weights(model.get_weights())
    return copy
