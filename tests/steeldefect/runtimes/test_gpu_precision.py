"""The precision on a GPU: what `auto` means, what is refused, and that a switch is never turned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from steeldefect.errors import DeviceError
from steeldefect.runtimes import Precision, RuntimeOptions, choose_engine
from steeldefect.runtimes.arithmetic import compute_in_bfloat16, set_arithmetic
from steeldefect.runtimes.gpu_precision import Capability, choose_gpu_precision, why_gpu_precision

AUTO, F32, TF32, BF16 = Precision.AUTO, Precision.F32, Precision.TF32, Precision.BF16


@pytest.mark.parametrize(
    ("asked", "found", "expected", "why"),
    [
        (AUTO, (8, 0), TF32, ["the GPU has TensorFloat-32"]),
        (AUTO, (9, 0), TF32, ["the GPU has TensorFloat-32"]),
        (AUTO, (12, 0), TF32, ["the GPU has TensorFloat-32"]),
        (AUTO, (7, 5), F32, ["f32 because the compute capability of the GPU is 7.5"]),
        (AUTO, None, F32, ["f32 because nvidia-smi does not tell the compute capability"]),
        (F32, (9, 0), F32, []),
        (F32, None, F32, []),
        (TF32, (8, 6), TF32, []),
        (BF16, (8, 9), BF16, []),
    ],
)
def test_what_runs_on_a_gpu(
    asked: Precision, found: Capability | None, expected: Precision, why: list[str]
) -> None:
    assert choose_gpu_precision(asked, found) is expected
    assert why_gpu_precision(asked, found) == why


@pytest.mark.parametrize("asked", [TF32, BF16])
@pytest.mark.parametrize("found", [(7, 5), None])
def test_what_a_gpu_may_not_have_is_refused(asked: Precision, found: Capability | None) -> None:
    with pytest.raises(DeviceError, match=f"precision={asked.value} needs a GPU of compute .* 8.0"):
        choose_gpu_precision(asked, found)


@pytest.mark.parametrize(
    ("capability", "said"),
    [
        ("8.0", "tensorflow on gpu at tf32: Spark gave the task GPU 3, the GPU has TensorFloat-32"),
        (
            "7.0",
            "tensorflow on gpu at f32: Spark gave the task GPU 3, f32 because the compute "
            "capability of the GPU is 7.0",
        ),
    ],
)
def test_auto_on_a_gpu_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capability: str, said: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{capability}\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    asked = RuntimeOptions(precision=AUTO, gpu_addresses=("3",))
    assert str(choose_engine(asked)) == said


@pytest.fixture
def fresh_switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The switch as in a new process; it is put back afterwards."""
    monkeypatch.setattr("steeldefect.runtimes.arithmetic._SET", [])
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.usefixtures("fresh_switch")
@pytest.mark.parametrize(("precision", "on"), [(F32, False), (TF32, True), (BF16, False)])
def test_tensorflow_multiplies_as_the_rows_say(precision: Precision, on: bool) -> None:
    set_arithmetic(precision)
    assert tf.config.experimental.tensor_float_32_execution_enabled() is on


@pytest.mark.usefixtures("fresh_switch")
def test_models_of_one_process_share_the_switch() -> None:
    set_arithmetic(F32)
    set_arithmetic(BF16)
    with pytest.raises(DeviceError, match=r"precision=tf32, but this process .* without TensorF"):
        set_arithmetic(TF32)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def nested_model() -> keras.Model:
    """A model with a model inside, as encoders are, and layers of gray values."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inner_in = keras.Input((8, 16, 4))
    inner = keras.Model(inner_in, layers.BatchNormalization()(layers.Conv2D(8, 3)(inner_in)))
    inputs = keras.Input((8, 16, 1))
    x = layers.Conv2D(4, 3, padding="same", name="first")(layers.Rescaling(2.0)(inputs))
    x = layers.Activation("relu")(inner(x))
    return keras.Model(inputs, layers.Conv2D(2, 1, activation="sigmoid", name="last")(x))


def test_bfloat16_leaves_weights_gray_values_and_the_last_layer_alone() -> None:
    model = nested_model()
    batch = np.random.default_rng(0).random((3, 8, 16, 1), dtype=np.float32)
    exact = model(batch, training=False).numpy()
    compute_in_bfloat16(model)
    rough = model(batch, training=False)
    computed = {
        layer.name: layer.compute_dtype
        for layer in model._flatten_layers()
        if not isinstance(layer, keras.Model)
    }
    exact_layers = {name for name, dtype in computed.items() if dtype == "float32"}
    assert {"last"} < exact_layers
    assert all(name == "last" or name.startswith("rescaling") for name in exact_layers)
    assert computed["first"] == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert rough.dtype == tf.float32
    assert 0 < np.abs(rough.numpy() - exact).max() < 0.02


@pytest.mark.usefixtures("fresh_switch")
@pytest.mark.parametrize(("precision", "asks_for_all"), [(F32, True), (TF32, False)])
def test_xla_is_told_how_to_multiply(precision: Precision, asks_for_all: bool) -> None:
    set_arithmetic(precision)
    convolution = keras.layers.Conv2D(4, 3)
    convolution.build((None, 8, 8, 2))
    program = tf.function(convolution, jit_compile=True)
    text = program.experimental_get_compiler_ir(tf.zeros((1, 8, 8, 2)))(stage="hlo")
    assert "convolution(" in text
    assert ("operand_precision={highest,highest}" in text) is asks_for_all
