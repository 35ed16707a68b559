"""A shared gate is a part of the segmenter's network; a bundle holds it in two parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeldefect.errors import SettingsError
from steeldefect.runtimes.keras_files import whole_segmenter
from training.backend import keras
from training.models import build_gate, build_segmenter
from training.models.encoders import ENCODER
from training.models.gates import STRIDE
from training.models.shared import in_two_parts
from training.recipe import Gate, Segmenter

SHAPE = (64, 96, 1)
CONTENT: dict[str, Any] = {
    "input": {"height": 64, "width": 96, "channels": 1, "scaling": "standard"},
    "epochs": 1,
    "batch_size": 1,
    "optimizer": {"kind": "adam", "learning_rate": 0.001},
}
CROP = {"crop": {"height": 32, "width": 32}}
SEGMENTER = Segmenter.model_validate(
    {**CONTENT, "kind": "unet", "loss": "bce_dice", "augment": CROP}
)
GATE = Gate.model_validate(
    {**CONTENT, "kind": "shared", "weights": "segmenter", "freeze_base": True, "augment": CROP}
)


@pytest.fixture(scope="module")
def segmenter() -> keras.Model:
    keras.utils.set_random_seed(8)
    model = build_segmenter(SEGMENTER, 3)[0]
    rng = np.random.default_rng(8)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            sizes = [weight.shape for weight in layer.get_weights()]
            layer.set_weights([rng.uniform(0.5, 1.5, size) for size in sizes])
    return model


@pytest.fixture(scope="module")
def gate(segmenter: keras.Model) -> keras.Model:
    return build_gate(GATE, segmenter)[0]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)


def test_only_the_gates_own_layers_learn(segmenter: keras.Model, pictures: np.ndarray) -> None:
    gate, loaded = build_gate(GATE, segmenter)
    assert loaded.note == "gate began with the weights of the segmenter"
    own = {f"decoder_{one}" for one in ("16_conv", "16_norm", "8_conv", "8_norm")} | {"places"}
    assert {one.path.split("/")[0] for one in gate.trainable_weights} == own
    before = {one.path: one.numpy() for one in gate.weights}
    gate.compile("adam", "binary_crossentropy")
    truth = np.ones((2, SHAPE[0] // STRIDE, SHAPE[1] // STRIDE, 1))
    gate.fit(pictures, truth, verbose=0)
    for variable in gate.weights:
        same = bool((variable.numpy() == before[variable.path]).all())
        assert same == (variable.path.split("/")[0] not in own), variable.path


def test_two_parts_answer_as_the_whole_does(
    segmenter: keras.Model, gate: keras.Model, pictures: np.ndarray
) -> None:
    first, second = in_two_parts(gate, segmenter, GATE)
    probability, *features = first(pictures, training=False)
    places = np.asarray(gate(pictures, training=False))
    assert places.shape == (2, SHAPE[0] // STRIDE, SHAPE[1] // STRIDE, 1)
    np.testing.assert_allclose(probability, places.max(axis=(1, 2)), atol=1e-6)
    expected = np.asarray(segmenter(pictures, training=False))
    np.testing.assert_allclose(second(features, training=False), expected, atol=1e-6)
    assert np.ptp(expected) > 0
    assert ENCODER not in [layer.name for layer in second.layers]


def test_the_parts_are_joined_to_the_whole_again(
    segmenter: keras.Model, gate: keras.Model, pictures: np.ndarray
) -> None:
    whole = whole_segmenter(*in_two_parts(gate, segmenter, GATE))
    assert whole.name == segmenter.name
    assert whole.count_params() == segmenter.count_params()
    expected = np.asarray(segmenter(pictures, training=False))
    np.testing.assert_allclose(whole(pictures, training=False), expected, atol=1e-6)


def test_without_a_segmenter_there_is_nothing_to_share() -> None:
    with pytest.raises(SettingsError, match="no fitted segmenter"):
        build_gate(GATE, None)
