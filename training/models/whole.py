"""Make the model that is exported from the model that was trained."""

from __future__ import annotations

from typing import Any

from steeldefect.pictures.preprocessing import InputSpec
from training.backend import keras


def for_export(model: keras.Model, spec: InputSpec) -> keras.Model:
    """Return an uncompiled float32 copy of a model, for whole pictures of one size.

    Training may use half precision, or crops of any size; scoring uses neither. The copy has no
    optimizer, which makes its file a third as large.
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
