"""What a task is shipped, and which GPUs its worker process lets the models see."""

from __future__ import annotations

import os

import pytest

from steeldefect.bundle import ModelForm
from steeldefect.errors import DeviceError
from steeldefect.manifest import Compiled, CpuPrecision
from steeldefect.settings import load_settings
from steeldefect.task import expose_gpus, needed_forms, run_task

KERAS, OPENVINO, INT8 = ((form,) for form in ModelForm)
EITHER = (ModelForm.KERAS, ModelForm.OPENVINO)
BOTH = (ModelForm.OPENVINO, ModelForm.OPENVINO_INT8)
ALL = tuple(ModelForm)

OUTER = "STEELDEFECT_OUTER_GPUS"
VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without GPUs, put back afterwards as it was."""
    for name in (OUTER, VISIBLE):
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("outer", "addresses", "visible"),
    [
        (None, (), ""),  # none assigned: none is seen
        (None, ("0",), "0"),
        (None, ("2", "3"), "2,3"),
        (None, ("GPU-8932f937",), "GPU-8932f937"),
        ("", ("1",), "1"),
        ("4,5,6", ("0",), "4"),  # addresses index into what the process may see
        ("4,5,6", ("2", "1"), "6,5"),
        ("GPU-a,GPU-b", ("1",), "GPU-b"),
        ("4,5", (), ""),
    ],
)
def test_just_the_gpus_that_spark_assigned_are_seen(
    environment: pytest.MonkeyPatch, outer: str | None, addresses: tuple[str, ...], visible: str
) -> None:
    if outer is not None:
        environment.setenv(VISIBLE, outer)
    expose_gpus(addresses)
    assert os.environ[VISIBLE] == visible


def test_later_tasks_of_a_process_index_into_the_same_list(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(VISIBLE, "4,5,6")
    for addresses, visible in ((("2",), "6"), (("0",), "4"), ((), ""), (("1",), "5")):
        expose_gpus(addresses)
        assert os.environ[VISIBLE] == visible


@pytest.mark.parametrize(
    ("outer", "addresses"), [("4,5", ("2",)), ("4", ("0", "1")), ("4,5", ("GPU-a",))]
)
def test_an_address_that_is_no_index_is_an_error(
    environment: pytest.MonkeyPatch, outer: str, addresses: tuple[str, ...]
) -> None:
    environment.setenv(VISIBLE, outer)
    with pytest.raises(DeviceError, match="let the discovery script report indices into it"):
        expose_gpus(addresses)
    assert os.environ[VISIBLE] == outer


def test_outside_spark_there_is_no_task_to_run() -> None:
    with pytest.raises(DeviceError, match="inside a Spark task only"):
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
