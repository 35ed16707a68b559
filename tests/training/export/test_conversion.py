"""Converted models keep their answers, and the names and shapes that bundles have always had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from steeldefect.pictures.preprocessing import InputSpec, Scaling
from training.backend import keras
from training.export.conversion import convert
from training.export.upsampling import resized_at_once
from training.models.resnet50 import resnet50_base, resnet50_gate
from training.models.resunet import resunet
from training.models.small import small_gate, small_unet
from training.models.weights import LoadedWeights


def tutorial_gate() -> keras.Model:
    return resnet50_gate(resnet50_base((128, 128, 3)), LoadedWeights(), 0.2, freeze_base=False)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: small_gate((32, 64, 1)), (32, 64, 1)),
        (lambda: resized_at_once(small_unet((32, 64, 1), 2)), (32, 64, 1)),
        (lambda: resized_at_once(resunet((None, None, 1), 4)), (64, 96, 1)),
        (tutorial_gate, (128, 128, 3)),
    ],
    ids=["small gate", "small unet", "resunet of any size", "resnet50 gate"],
)
def test_a_converted_model(
    tmp_path: Path, build: Callable[[], keras.Model], shape: tuple[int, int, int]
) -> None:
    keras.utils.set_random_seed(4)
    model = build()
    height, width, channels = shape
    spec = InputSpec(height=height, width=width, channels=channels, scaling=Scaling.UNIT)
    scratch = tmp_path / "Stähle, neu"
    scratch.mkdir()
    converted = convert(model, spec, scratch)
    assert not list(scratch.iterdir())

    [taken], [given] = converted.inputs, converted.outputs
    assert taken.names == {"batch"}
    assert taken.partial_shape.to_string() == f"[?,{height},{width},{channels}]"
    assert given.names == {"Identity:0"}
    assert taken.element_type == given.element_type == ov.Type.f32

    pictures = np.random.default_rng(4).random((2, *shape), dtype=np.float32)
    compiled = ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = compiled(pictures)[0]
    assert np.allclose(answer, model(pictures, training=False), atol=1e-4)
    assert np.ptp(answer) > 0
