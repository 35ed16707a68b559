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
from training.models.novelty import NOVELTY, Odd
from training.models.shared import in_two_parts
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
    odd = Odd.standard(gate.get_layer("encoder").output, 32, 64)
    first, _ = in_two_parts(gate, segmenter, GATE, odd)
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (32, 64)).astype(np.uint8) for _ in range(4)]
    quantise(
        convert(first, GATE.spec, folder),
        folder / "gate.xml",
        pictures,
        lambda picture: [picture[None, :, :, None].astype(np.float32) / 255],
    )
    return ov.Core().read_model(folder / "gate.xml")


def before(node: Any) -> list[Any]:
    """Return all nodes before one."""
    found, waiting = {}, [node]
    while waiting:
        for one in waiting.pop().inputs():
            source = one.get_source_output().get_node()
            if source.get_friendly_name() not in found:
                found[source.get_friendly_name()] = source
                waiting.append(source)
    return [*found.values()]


def test_distances_from_clean_pictures_stay_float32(int8_gate: ov.Model) -> None:
    types = [one.get_type_name() for one in int8_gate.get_ops()]
    assert types.count("FakeQuantize") > 10
    answers = int8_gate.output(0).get_node()
    of_novelty = [
        one
        for one in before(answers)
        if any(NOVELTY in earlier.get_friendly_name() for earlier in before(one))
    ]
    layers = {one.get_type_name() for one in of_novelty}
    assert {"Convolution", "Einsum", "AvgPool", "Log"} <= layers
    assert "FakeQuantize" not in layers
