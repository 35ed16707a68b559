"""Convolutions that train faster compute, learn and store the same."""

from __future__ import annotations

import numpy as np
import pytest
from support.random_models import normalising

from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.backend import keras, tf
from training.models import for_export
from training.models.faster import bfloat16_is_faster, faster
from training.models.unet import unet
from training.models.weights import nested_layers
from training.recipe import Arithmetic, Encoder

layers = keras.layers

PICTURES = np.random.default_rng(0).normal(size=(4, 32, 32, 1)).astype(np.float32)
TRUTH = np.random.default_rng(1).random((4, 32, 32, 2)).astype(np.float32)


@pytest.fixture
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.models.faster.bfloat16_is_faster", lambda: True)


def convolutions() -> keras.Model:
    """Return a network with every kind of convolution, frozen and free normalisations."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 32, 1))
    x = layers.Conv2D(32, 3, padding="same", name="plain")(inputs)
    x = layers.BatchNormalization(name="plain_norm")(x)
    x = layers.ReLU(6.0)(x)
    skip = layers.DepthwiseConv2D(3, padding="same", name="depth")(x)
    x = layers.BatchNormalization(scale=False, name="depth_norm")(skip)
    x = layers.Conv2D(32, 3, dilation_rate=2, padding="same", use_bias=False, name="wide")(x)
    x = layers.BatchNormalization(center=False, name="wide_norm")(x)
    inner = keras.Input((32, 32, 32))
    y = layers.Conv2D(8, 3, strides=2, padding="same", name="strided")(inner)
    y = layers.BatchNormalization(name="strided_norm")(y)
    x = keras.Model(inner, y, name="inner")(layers.Add()([x, skip]))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="active")(x)
    x = layers.BatchNormalization(name="free_norm")(x)
    x = layers.UpSampling2D(2)(x)
    return keras.Model(
        inputs, layers.Conv2D(2, 1, activation="sigmoid", name="answers")(x), name="all_kinds"
    )


def with_frozen(model: keras.Model, *free: str) -> keras.Model:
    """Freeze the normalisations of a model, except some, with statistics that change values."""
    random = np.random.default_rng(2)
    for layer in normalising(model):
        values = [random.uniform(0.5, 1.5, one.shape) for one in layer.get_weights()]
        layer.set_weights(values)
        layer.trainable = layer.name in free
    for layer in nested_layers(model):
        if getattr(layer, "use_bias", False):
            layer.bias.assign(random.normal(size=layer.bias.shape))
    return model


def of_unet() -> keras.Model:
    keras.utils.set_random_seed(3)
    return unet((None, None, 1), 2, Encoder.MOBILENETV2, Scaling.STANDARD)


MODELS = {
    "all kinds": lambda: with_frozen(convolutions(), "free_norm"),
    "U-Net": lambda: with_frozen(of_unet(), *(f"decoder_{one}_norm" for one in (2, 4, 8, 16))),
}


def trained(model: keras.Model, fitted: keras.Model) -> dict[str, np.ndarray]:
    """Train one step; return the weights of `model` by path."""
    fitted.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    fitted.train_on_batch(PICTURES, TRUTH)
    return {one.path: one.numpy() for one in model.weights}


@pytest.mark.parametrize("name", MODELS)
def test_answers_and_gradients_are_those_of_the_model(name: str) -> None:
    plain, model = MODELS[name](), MODELS[name]()
    fitted = faster(model, Arithmetic.FLOAT32)
    assert fitted is not model
    assert fitted.name == model.name
    np.testing.assert_allclose(fitted(PICTURES), plain(PICTURES), atol=1e-5)
    before = {one.path: one.numpy() for one in plain.weights}
    expected, found = trained(plain, plain), trained(model, fitted)
    moved = 0
    for path, value in expected.items():
        step = np.abs(value - before[path]).max()
        moved += step > 0
        np.testing.assert_allclose(found[path], value, atol=1e-5 + 0.01 * step, err_msg=path)
    frozen = sum(len(one.weights) for one in normalising(model) if not one.trainable)
    assert moved == len(expected) - frozen


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize("name", MODELS)
def test_large_convolutions_are_computed_in_bfloat16(name: str) -> None:
    plain, model = MODELS[name](), MODELS[name]()
    fitted = faster(model, Arithmetic.AUTO)
    exact, answers = plain(PICTURES).numpy(), fitted(PICTURES).numpy()
    assert answers.dtype == np.float32
    assert np.abs(answers - exact).max() > 1e-6, "nothing was computed in bfloat16"
    np.testing.assert_allclose(answers, exact, atol=0.02)
    np.testing.assert_allclose(model(PICTURES), exact, atol=1e-6)  # the model itself is as it was
    assert all(one.dtype == "float32" for one in fitted.weights)
    trained(model, fitted)
    spec = InputSpec(height=32, width=32, channels=1, scaling=Scaling.STANDARD)
    copy = for_export(model, spec)
    np.testing.assert_allclose(copy(PICTURES), model(PICTURES), atol=1e-6)
    assert np.abs(copy(PICTURES) - exact).max() > 1e-4, "the model has learnt"


def test_without_amx_or_the_permission_nothing_is_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, arithmetic in ((set(), Arithmetic.AUTO), ({"amx_bf16"}, Arithmetic.FLOAT32)):
        monkeypatch.setattr("training.models.faster.cpu_flags", lambda flags=flags: flags)
        fitted, plain = faster(MODELS["all kinds"](), arithmetic), MODELS["all kinds"]()
        np.testing.assert_allclose(fitted(PICTURES), plain(PICTURES), atol=1e-6)


def test_a_gpu_has_arithmetic_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.models.faster.cpu_flags", lambda: {"amx_bf16"})
    assert bfloat16_is_faster()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert not bfloat16_is_faster()


def test_a_model_that_cannot_be_faster_is_returned_as_it_is() -> None:
    free = convolutions()
    assert faster(free, Arithmetic.FLOAT32) is free
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = with_frozen(convolutions())
    finally:
        keras.config.set_dtype_policy("float32")
    expected = tf.cast(mixed(PICTURES), tf.float32).numpy()
    found = tf.cast(faster(mixed, Arithmetic.MIXED_BFLOAT16)(PICTURES), tf.float32).numpy()
    assert (found == expected).all()
