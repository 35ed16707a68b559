"""Times of the forms: per picture, in turn, with mirrored copies, and the record of the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from support.calibrated import ENGINE

from steeldefect.bundle.files import ModelName
from steeldefect.bundle.manifest import CpuPrecision, Manifest, Mirror
from steeldefect.runtimes import Engine
from training.export.time_forms import ROUNDS, this_cpu, time_forms

F32, BF16, INT8 = CpuPrecision
PICTURES = [np.zeros((32, 64), np.uint8)] * 3

Draft = Callable[..., Manifest]


@dataclass
class Working:
    """A model that needs a known CPU time for each picture; it notes its calls."""

    name: str
    milliseconds: float
    calls: list[tuple[str, int]]
    engine: Engine = field(default_factory=lambda: replace(ENGINE, batch_size=4))

    def predict(self, batch: np.ndarray) -> np.ndarray:
        self.calls.append((self.name, len(batch)))
        end = time.process_time() + self.milliseconds * len(batch) / 1000
        while time.process_time() < end:
            pass
        return batch


def test_each_model_of_each_form_is_timed_in_turn(draft: Draft) -> None:
    calls: list[tuple[str, int]] = []
    forms = {
        F32: {
            ModelName.GATE: Working("f32 gate", 0.4, calls),
            ModelName.SEGMENTER: Working("f32 segmenter", 0.8, calls),
        },
        INT8: {
            ModelName.GATE: Working("int8 gate", 0.1, calls),
            ModelName.SEGMENTER: Working("int8 segmenter", 0.2, calls),
        },
    }
    times = time_forms(forms, draft(), PICTURES)
    assert times[F32, ModelName.GATE] == pytest.approx(0.4, rel=0.3)
    assert times[F32, ModelName.SEGMENTER] == pytest.approx(0.8, rel=0.3)
    assert times[INT8, ModelName.SEGMENTER] == pytest.approx(0.2, rel=0.3)
    names = ["f32 gate", "f32 segmenter", "int8 gate", "int8 segmenter"]
    assert [name for name, _ in calls] == names * (ROUNDS + 1)
    assert {size for _, size in calls} == {4}  # a full batch, from three pictures


def test_mirrored_copies_cost_time(draft: Draft) -> None:
    plain = draft(False)
    segmenter = plain.segmenter.model_copy(update={"mirrors": [Mirror.HORIZONTAL, Mirror.BOTH]})
    manifest = plain.model_copy(update={"segmenter": segmenter})
    forms = {F32: {ModelName.SEGMENTER: Working("segmenter", 0.3, [])}}
    times = time_forms(forms, manifest, PICTURES)
    assert times == {(F32, ModelName.SEGMENTER): pytest.approx(0.9, rel=0.3)}


def test_the_cpu_is_recorded() -> None:
    cpu = this_cpu()
    assert cpu.name
    assert cpu.flags == sorted(cpu.flags)
    assert all(one.startswith(("avx", "amx", "fma", "sse4", "f16c")) for one in cpu.flags)
    assert any(one.startswith("sse4") for one in cpu.flags)
