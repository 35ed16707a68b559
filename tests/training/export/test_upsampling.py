"""Repeated rows and columns become one operation; no answer changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.manifest import Manifest
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.backend import keras
from training.export.conversion import convert
from training.export.staging import Models, Staged
from training.export.upsampling import resized_at_once
from training.models.resunet import resunet
from training.models.small import small_gate, small_unet
from training.models.unet import unet
from training.recipe import Encoder

layers = keras.layers
SHAPE = (32, 64, 1)


def shared(shape: tuple[int, int, int], classes: int) -> keras.Model:
    inputs, twice = keras.Input(shape), layers.UpSampling2D(2)
    both = [twice(layers.Conv2D(3, 3, padding="same")(inputs)), twice(inputs)]
    return keras.Model(inputs, layers.Conv2D(classes, 1)(layers.Concatenate()(both)))


def nested(shape: tuple[int, int, int], classes: int) -> keras.Model:
    inner = keras.Sequential(
        [layers.Input(shape), layers.UpSampling2D((2, 3)), layers.Conv2D(2, 3)]
    )
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers.Conv2D(classes, 1)(inner(inputs)))


def encoder_unet(shape: tuple[int, int, int], classes: int) -> keras.Model:
    return unet(shape, classes, Encoder.MOBILENETV2, Scaling.UNIT)


@pytest.mark.parametrize("build", [resunet, small_unet, encoder_unet, nested, shared])
def test_answers_stay_as_they_are(build: Callable[..., keras.Model]) -> None:
    keras.utils.set_random_seed(4)
    model = build(SHAPE, 2)
    copy = resized_at_once(model)
    pictures = np.random.default_rng(4).random((2, *SHAPE), dtype=np.float32)
    assert np.array_equal(copy(pictures, training=False), model(pictures, training=False))
    assert copy.output_shape == model.output_shape
    # the model itself stays as it was trained
    copy.set_weights([weight + 1 for weight in copy.get_weights()])
    assert not np.array_equal(copy(pictures, training=False), model(pictures, training=False))


def test_a_model_without_any_is_given_back() -> None:
    gate = small_gate(SHAPE)
    assert resized_at_once(gate) is gate
    inputs = keras.Input(SHAPE)
    smooth = keras.Model(inputs, layers.UpSampling2D(2, interpolation="bilinear")(inputs))
    assert resized_at_once(smooth) is smooth
    first = layers.UpSampling2D(2, data_format="channels_first")(inputs)
    assert resized_at_once(other := keras.Model(inputs, first)) is other


def test_a_copy_computes_as_the_model_does() -> None:
    model = small_unet(SHAPE, classes=2)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        copy = resized_at_once(model)
    finally:
        keras.config.set_dtype_policy("float32")
    computing = [one for one in copy.layers if not isinstance(one, layers.InputLayer)]
    assert {one.compute_dtype for one in computing} == {"float32"}


def test_a_model_that_was_compiled_for_training_is_exported(
    tmp_path: Path, draft: Callable[..., Manifest]
) -> None:
    segmenter = small_unet(SHAPE, classes=2)
    segmenter.compile(optimizer="adam", loss=lambda truth, answer: answer - truth)
    staged = Staged(tmp_path, Models(small_gate(SHAPE), segmenter), draft())
    assert (staged.folder / "openvino" / "segmenter.xml").exists()


def test_a_conversion_repeats_nothing(tmp_path: Path) -> None:
    spec = InputSpec(height=SHAPE[0], width=SHAPE[1], channels=1, scaling=Scaling.UNIT)
    converted = convert(resized_at_once(small_unet(SHAPE, classes=2)), spec, tmp_path)
    kinds = {operation.get_type_name() for operation in converted.get_ops()}
    assert "Interpolate" in kinds
    assert "Tile" not in kinds
