"""Doubled maps cost less in the compiled form, and no answer changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from steeldefect.pictures.preprocessing import Float32, InputSpec, Scaling, prepare
from training.backend import keras, tf
from training.export.cheap_upsampling import (
    convolve_before_doubling,
    double_cheaply,
    transposed_kernel,
)
from training.export.conversion import convert
from training.export.upsampling import resized_at_once
from training.models.resunet import resunet
from training.models.small import small_unet
from training.models.unet import unet
from training.recipe import Encoder
from training.synthetic.surface import draw_steel, expose

layers = keras.layers
SHAPE = (64, 96, 1)
SPEC = InputSpec(height=64, width=96, channels=1, scaling=Scaling.STANDARD)


def encoder_unet(shape: tuple[int, int, int], classes: int) -> keras.Model:
    return unet(shape, classes, Encoder.MOBILENETV2, Scaling.STANDARD)


def decisive(model: keras.Model) -> keras.Model:
    """Give the last layers such weights that probabilities spread over 0 to 1."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            sizes = [weight.shape for weight in layer.get_weights()]
            layer.set_weights([rng.uniform(0.5, 1.5, size).astype(np.float32) for size in sizes])
    last = [layer for layer in model.layers if layer.weights][-1]
    kernel, bias = last.get_weights()
    answers = np.asarray(keras.Model(model.input, last.input)(pictures())).std()
    last.set_weights([kernel * np.float32(1.5 / answers), np.zeros_like(bias)])
    return model


def pictures() -> Float32:
    """Return noise, and a picture of a steel strip."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(1, *SHAPE)).astype(np.float32)
    steel = expose(rng, draw_steel(rng, 64, 96)).clip(0, 255).astype(np.uint8)
    return np.concatenate([noise, prepare(steel, SPEC)[None]])


def answers(model: ov.Model) -> Float32:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(pictures())[0])


def kinds(model: ov.Model) -> Counter[str]:
    return Counter(operation.get_type_name() for operation in model.get_ops())


def converted(model: keras.Model, folder: Path) -> ov.Model:
    return convert(resized_at_once(model), SPEC, folder)


@pytest.mark.parametrize("build", [encoder_unet, resunet, small_unet])
def test_a_segmenter_answers_as_keras_does(
    build: Callable[..., keras.Model], tmp_path: Path
) -> None:
    keras.utils.set_random_seed(4)
    model = decisive(build(SHAPE, 3))
    expected = np.asarray(model(pictures(), training=False))
    assert np.ptp(expected) > 0.5
    faster = convolve_before_doubling(double_cheaply(converted(model, tmp_path)))
    assert "Interpolate" not in kinds(faster)
    assert np.abs(answers(faster) - expected).max() <= 1e-5


def test_a_linear_resize_alone_may_be_replaced(tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    model = decisive(encoder_unet(SHAPE, 3))
    plain = converted(model, tmp_path)
    before = kinds(plain)
    after = kinds(double_cheaply(plain))
    assert before["Interpolate"] - after["Interpolate"] == 1
    assert after["Concat"] == before["Concat"]
    expected = np.asarray(model(pictures(), training=False))
    assert np.abs(answers(plain) - expected).max() <= 1e-5


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_kernel_of_doubling_and_convolving(size: int) -> None:
    rng = np.random.default_rng(size)
    kernel = rng.normal(size=(4, 3, size, size)).astype(np.float32)
    low = rng.normal(size=(2, 5, 7, 3)).astype(np.float32)
    doubled = low.repeat(2, axis=1).repeat(2, axis=2)
    expected = tf.nn.conv2d(doubled, kernel.transpose(2, 3, 1, 0), 1, "SAME").numpy()
    wide = transposed_kernel(kernel)
    assert wide.shape == (3, 4, size + 1, size + 1)
    found = tf.nn.conv2d_transpose(low, wide.transpose(2, 3, 1, 0), expected.shape, 2, "SAME")
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def uneven(shape: tuple[int, int, int]) -> keras.Model:
    """Rows are repeated twice, columns three times."""
    inputs = keras.Input(shape)
    low = layers.Conv2D(3, 3, strides=(2, 3), padding="same")(inputs)
    joined = layers.Concatenate()([layers.UpSampling2D((2, 3))(low), inputs])
    return keras.Model(inputs, layers.Conv2D(2, 3, padding="same")(joined))


def strided(shape: tuple[int, int, int]) -> keras.Model:
    """The convolution that follows skips every second place."""
    inputs = keras.Input(shape)
    low = layers.Conv2D(3, 3, strides=2, padding="same")(inputs)
    joined = layers.Concatenate()([layers.UpSampling2D(2)(low), inputs])
    return keras.Model(inputs, layers.Conv2D(2, 3, strides=2, padding="same")(joined))


def cropped(shape: tuple[int, int, int]) -> keras.Model:
    """The convolution that follows has no zeros around it, so its result is smaller."""
    inputs = keras.Input(shape)
    low = layers.Conv2D(3, 3, strides=2, padding="same")(inputs)
    joined = layers.Concatenate()([layers.UpSampling2D(2)(low), inputs])
    return keras.Model(inputs, layers.Conv2D(2, 3)(joined))


def used_twice(shape: tuple[int, int, int]) -> keras.Model:
    """The joined map is also pooled, so it must exist."""
    inputs = keras.Input(shape)
    low = layers.Conv2D(3, 3, strides=2, padding="same")(inputs)
    joined = layers.Concatenate()([layers.UpSampling2D(2)(low), inputs])
    pooled = layers.MaxPool2D(1)(joined)
    both = layers.Concatenate()([layers.Conv2D(2, 3, padding="same")(joined), pooled])
    return keras.Model(inputs, both)


@pytest.mark.parametrize("build", [uneven, strided, cropped, used_twice])
def test_what_does_not_fit_stays(build: Callable[..., keras.Model], tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    model = build(SHAPE)
    plain = converted(model, tmp_path)
    before = kinds(plain)
    assert before["Interpolate"] == 1
    assert kinds(convolve_before_doubling(double_cheaply(plain))) == before
    expected = np.asarray(model(pictures(), training=False))
    assert np.abs(answers(plain) - expected).max() <= 1e-5
