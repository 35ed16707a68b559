"""The engine in a run record: what `auto` became, and why."""

from __future__ import annotations

import pytest
from support.evidence import compiled_by_evidence

from steeldefect.bundle.files import ModelName
from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.runtimes import (
    DeviceChoice,
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
)

F32, BF16, INT8 = CpuPrecision
EVERYTHING, PLAIN = frozenset(CpuPrecision), frozenset({F32})
A, C, G = DeviceChoice.AUTO, DeviceChoice.CPU, DeviceChoice.GPU


@pytest.mark.parametrize(
    ("device", "gpus", "default", "served", "said"),
    [
        (A, (), INT8, EVERYTHING, "openvino on cpu at int8: the task has no GPU, int8 is the "
         "bundle's default, chosen by means alone: export the bundle again to check its masks"),
        (A, (), INT8, PLAIN, "openvino on cpu at f32: the task has no GPU, this CPU has no "
         "instructions for int8, the bundle's default"),
        (C, ("0",), BF16, EVERYTHING, "openvino on cpu at bf16: bf16 is the bundle's default, "
         "chosen by means alone: export the bundle again to check its masks"),
        (C, (), F32, EVERYTHING, "openvino on cpu at f32: f32 is the bundle's default"),
    ],
)  # fmt: skip
def test_auto_is_explained(
    device: DeviceChoice,
    gpus: tuple[str, ...],
    default: CpuPrecision,
    served: frozenset[CpuPrecision],
    said: str,
) -> None:
    compiled = Compiled(default=default, reason="", forms=[])
    asked = RuntimeOptions(device=device, precision=Precision.AUTO, gpu_addresses=gpus)
    assert str(choose_engine(asked, compiled, served)) == said


def test_gate_and_segmenter_may_differ() -> None:
    times = {F32: (40, 40), BF16: (10, 10), INT8: (5, 5)}
    compiled = compiled_by_evidence(times, {("segmenter", INT8): "its masks differ"})
    asked = RuntimeOptions(precision=Precision.AUTO)
    engine = choose_engine(asked, compiled, EVERYTHING)
    assert str(engine) == (
        "openvino on cpu at int8+bf16: the task has no GPU, int8+bf16 by the bundle's evidence, "
        "1.50 times as fast as bf16 at export; segmenter not int8: its masks differ"
    )
    of_models = [engine.of_model(one) for one in (ModelName.GATE, ModelName.SEGMENTER)]
    assert [one.precision for one in of_models] == [Precision.INT8, Precision.BF16]
    assert {one.batch_size for one in of_models} == {4}
    same = choose_engine(asked, compiled_by_evidence(times), EVERYTHING)
    assert (same.precisions, same.gate_precision) == ("int8", None)
    assert same.of_model(ModelName.GATE) == same


@pytest.mark.parametrize("precision", [Precision.F32, Precision.BF16, Precision.INT8])
def test_what_is_set_needs_no_evidence(precision: Precision) -> None:
    refused = dict.fromkeys(
        ((model, form) for model in ("gate", "segmenter") for form in (BF16, INT8)), "it is worse"
    )
    compiled = compiled_by_evidence(dict.fromkeys(CpuPrecision, (1, 1)), refused)
    engine = choose_engine(RuntimeOptions(precision=precision), compiled, EVERYTHING)
    assert (engine.precisions, engine.gate_precision) == (precision.value, None)


def test_what_was_set_needs_no_reason() -> None:
    asked = RuntimeOptions(RuntimeChoice.OPENVINO, C, Precision.F32)
    assert str(choose_engine(asked)) == "openvino on cpu at f32: as it was set"


def test_a_gpu_that_openvino_does_not_use_is_named() -> None:
    asked = RuntimeOptions(RuntimeChoice.OPENVINO, A, Precision.F32, gpu_addresses=("0",))
    said = str(choose_engine(asked))
    assert said == "openvino on cpu at f32: the task has no GPU that OpenVINO would run on"


@pytest.mark.parametrize(
    ("device", "gpus", "asked", "taken"),
    [(C, (), None, 1), (A, (), None, 1), (A, ("0",), None, 64), (A, ("0",), 8, 8), (C, (), 2, 2)],
)
def test_what_a_batch_is_where_none_is_set(
    device: DeviceChoice, gpus: tuple[str, ...], asked: int | None, taken: int
) -> None:
    options = RuntimeOptions(device=device, gpu_addresses=gpus, batch_size=asked)
    assert choose_engine(options).batch_size == taken


@pytest.mark.parametrize(
    ("runtime", "precision", "threads", "taken"),
    [
        (RuntimeChoice.OPENVINO, Precision.F32, 1, 1),
        (RuntimeChoice.OPENVINO, Precision.F32, 3, 3),
        (RuntimeChoice.OPENVINO, Precision.F32, 16, 4),
        (RuntimeChoice.OPENVINO, Precision.BF16, 1, 4),
        (RuntimeChoice.OPENVINO, Precision.INT8, 2, 4),
        (RuntimeChoice.TENSORFLOW, Precision.F32, 1, 4),
        (RuntimeChoice.TENSORFLOW, Precision.F32, 2, 4),
    ],
)
def test_what_a_batch_is_on_a_cpu(
    runtime: RuntimeChoice, precision: Precision, threads: int, taken: int
) -> None:
    options = RuntimeOptions(runtime, C, precision, threads=threads)
    assert choose_engine(options, served=frozenset(CpuPrecision)).batch_size == taken


def test_all_cores_are_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    options = RuntimeOptions(RuntimeChoice.OPENVINO, C, threads=0)
    for cores, taken in ((1, 1), (3, 3), (64, 4)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert choose_engine(options).batch_size == taken
