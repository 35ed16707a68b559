"""The model forms that are sent to executors, and tasks outside Spark."""

from __future__ import annotations

import pytest
from support.evidence import compiled_by_evidence

from steeldefect.bundle.files import ModelForm
from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.errors import DeviceError
from steeldefect.scoring.shipment import needed_forms
from steeldefect.scoring.task import run_task
from steeldefect.settings import load_settings

KERAS, OPENVINO, INT8 = ((form,) for form in ModelForm)
EITHER = (ModelForm.KERAS, ModelForm.OPENVINO)
BOTH = (ModelForm.OPENVINO, ModelForm.OPENVINO_INT8)
ALL = tuple(ModelForm)


def test_outside_spark_there_is_no_task_to_run() -> None:
    with pytest.raises(DeviceError, match="only inside a Spark task"):
        run_task(None, iter([]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overrides", "default", "gpus", "forms"),
    [
        ([], None, False, OPENVINO),
        ([], None, True, EITHER),  # a task may be given a GPU, or none
        ([], "f32", False, OPENVINO),
        ([], "bf16", False, OPENVINO),
        ([], "int8", False, BOTH),  # not every CPU has instructions for int8
        (["precision=int8"], "int8", False, INT8),
        ([], "int8", True, ALL),
        (["precision=f32"], "int8", False, OPENVINO),
        (["precision=bf16"], "int8", True, EITHER),
        (["precision=int8"], "bf16", False, INT8),
        (["device=cpu"], None, True, OPENVINO),
        (["device=cpu"], "int8", True, BOTH),
        (["device=gpu"], "int8", True, KERAS),
        (["device=gpu"], None, False, KERAS),
        (["runtime=tensorflow"], "int8", False, KERAS),
        (["runtime=tensorflow", "device=cpu"], None, True, KERAS),
        (["runtime=openvino"], None, True, OPENVINO),
        (["runtime=openvino"], "int8", True, BOTH),
    ],
)
def test_which_forms_of_the_models_are_shipped(
    overrides: list[str], default: str | None, gpus: bool, forms: tuple[ModelForm, ...]
) -> None:
    compiled = None
    if default is not None:
        compiled = Compiled(default=CpuPrecision(default), reason="", forms=[])
    settings = load_settings(None, overrides)
    assert needed_forms(settings, compiled, gpus_scheduled=gpus) == forms


def test_forms_that_another_cpu_may_choose_are_shipped_too() -> None:
    times = dict.fromkeys(CpuPrecision, (1.0, 1.0))  # here, int8 is no faster
    settings = load_settings(None, [])
    compiled = compiled_by_evidence(times, {("gate", CpuPrecision.INT8): "its masks differ"})
    assert needed_forms(settings, compiled, gpus_scheduled=False) == BOTH
    out = dict.fromkeys(((one, CpuPrecision.INT8) for one in ("gate", "segmenter")), "it is worse")
    refused = compiled_by_evidence(times, out)
    assert needed_forms(settings, refused, gpus_scheduled=False) == OPENVINO
