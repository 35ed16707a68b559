"""Test which layers keep float32 in the int8 form."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest
from support.random_models import awake

from training.backend import keras
from training.export.conversion import convert
from training.export.quantise import quantise
from training.models import build_gate, build_segmenter
from training.models.novelty import Normal, compared_features
from training.models.shared import Odd, in_two_parts
from training.recipe import Gate, Segmenter

PART = {
    "input": {"height": 32, "width": 64, "channels": 1, "scaling": "standard"},
    "epochs": 1,
    "batch_size": 1,
    "optimizer": {"kind": "adam", "learning_rate": 0.001},
}
GATE = Gate.model_validate({**PART, "kind": "shared", "weights": "segmenter", "freeze_base": True})
SEGMENTER = Segmenter.model_validate({**PART, "kind": "unet", "loss": "bce_dice"})


@pytest.fixture(scope="module")
def int8_gate(tmp_path_factory: pytest.TempPathFactory) -> ov.Model:
    """Return the int8 form of a shared gate that judges novelty."""
    folder = tmp_path_factory.mktemp("int8")
    keras.utils.set_random_seed(0)
    segmenter = awake(build_segmenter(SEGMENTER, 2)[0])
    gate = awake(build_gate(GATE, segmenter)[0])
    count = compared_features(gate.get_layer("encoder").output).shape[-1]
    normal = Normal(np.zeros((2, 4, count)), np.eye(count), np.ones((2, 4)))
    first, _ = in_two_parts(gate, segmenter, GATE, Odd(normal, 1.0))
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (32, 64)).astype(np.uint8) for _ in range(4)]
    quantise(
        convert(first, GATE.spec, folder),
        folder / "gate.xml",
        pictures,
        lambda picture: [picture[None, :, :, None].astype(np.float32) / 255],
    )
    return ov.Core().read_model(folder / "gate.xml")


def before(node: Any) -> set[str]:
    """Return the types of the nodes before one, back to the first layer of novelty."""
    found, waiting = set(), [node]
    while waiting:
        for one in waiting.pop().inputs():
            source = one.get_source_output().get_node()
            found.add(source.get_type_name())
            if "novelty_features" not in source.get_friendly_name():
                waiting.append(source)
    return found


def test_distances_from_clean_pictures_stay_float32(int8_gate: ov.Model) -> None:
    types = [one.get_type_name() for one in int8_gate.get_ops()]
    assert types.count("FakeQuantize") > 10
    (logarithm,) = (one for one in int8_gate.get_ops() if one.get_type_name() == "Log")
    layers = before(logarithm)
    assert {"Convolution", "Einsum", "AvgPool"} <= layers
    assert "FakeQuantize" not in layers
