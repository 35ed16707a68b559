"""Which GPUs the models of a worker process see, and which settings of Spark are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.samples import ROOT

from steeldefect.errors import DeviceError
from steeldefect.runtimes.gpus import (
    ORDER,
    VISIBLE,
    check_gpu_conf,
    compute_capability,
    expose_gpus,
    free_bytes,
)

OUTER = "STEELDEFECT_OUTER_GPUS"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without GPUs and without models' libraries; it is restored afterwards."""
    for name in (OUTER, VISIBLE, ORDER):
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    for library in ("tensorflow", "jax", "torch"):
        monkeypatch.delitem(sys.modules, library, raising=False)
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


def test_gpus_are_numbered_as_nvidia_smi_numbers_them(environment: pytest.MonkeyPatch) -> None:
    expose_gpus(("1",))
    assert os.environ[ORDER] == "PCI_BUS_ID"


def test_another_order_that_the_environment_states_is_kept(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(ORDER, "FASTEST_FIRST")
    expose_gpus(("1",))
    assert os.environ[ORDER] == "FASTEST_FIRST"


@pytest.mark.parametrize("library", ["tensorflow", "jax", "torch"])
def test_a_process_whose_models_run_on_a_gpu_keeps_it(
    environment: pytest.MonkeyPatch, library: str
) -> None:
    expose_gpus(("1",))
    environment.setitem(sys.modules, library, sys)
    expose_gpus(("1",))
    with pytest.raises(DeviceError, match=r"gave this task GPU 0, .* runs models on GPU 1, which"):
        expose_gpus(("0",))
    assert os.environ[VISIBLE] == "1"


@pytest.mark.parametrize(
    ("conf", "refused"),
    [
        ({}, False),
        ({"spark.executor.resource.gpu.amount": "1"}, False),
        ({"spark.executor.resource.gpu.amount": "2"}, True),
        (
            {
                "spark.executor.resource.gpu.amount": "2",
                "spark.python.worker.reuse": "false",
            },
            False,
        ),
    ],
)
def test_executors_of_several_gpus_may_not_keep_their_workers(
    conf: dict[str, str], refused: bool
) -> None:
    if not refused:
        check_gpu_conf(conf)
        return
    with pytest.raises(DeviceError, match=r"give each executor one GPU"):
        check_gpu_conf(conf)


def fake_nvidia_smi(folder: Path, answer: str) -> str:
    """Write a program of that name to a folder, and return a PATH that begins with the folder."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho \"$@\" > {folder}/asked\nprintf '{answer}'\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_free_memory_is_that_of_the_gpu_that_is_seen(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("PATH", fake_nvidia_smi(tmp_path, "1536\\n"))
    environment.setenv(VISIBLE, "3")
    assert free_bytes() == 1536 * 2**20
    assert "-i 3" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize("answer", ["", "[N/A]\\n", "no devices were found\\n"])
def test_a_gpu_may_not_be_known(
    environment: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    environment.setenv("PATH", fake_nvidia_smi(tmp_path, answer))
    assert free_bytes() is None
    assert compute_capability() is None


def test_what_a_gpu_can_compute_is_asked_of_the_one_that_is_seen(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("PATH", fake_nvidia_smi(tmp_path, "8.6\\n"))
    environment.setenv(VISIBLE, "GPU-8932f937")
    assert compute_capability() == (8, 6)
    assert "--query-gpu=compute_cap" in (tmp_path / "asked").read_text()
    assert "-i GPU-8932f937" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("visible", "answer", "addresses"),
    [
        (None, "0\\n1\\n", ["0", "1"]),
        (None, "", []),
        (None, "No devices were found\\n", []),
        ("4,7", "0\\n1\\n", ["0", "1"]),
        ("GPU-8932f937", "0\\n1\\n", ["0"]),
        ("", "2\\n", ["2"]),
    ],
)
def test_spark_is_told_of_the_hosts_gpus(
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    visible: str | None,
    answer: str,
    addresses: list[str],
) -> None:
    if visible is not None:
        environment.setenv(VISIBLE, visible)
    environment.setenv("PATH", fake_nvidia_smi(tmp_path, answer))
    script = ROOT / "conf" / "gpu" / "discover_gpus.sh"
    told = subprocess.run([str(script)], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == {"name": "gpu", "addresses": addresses}
