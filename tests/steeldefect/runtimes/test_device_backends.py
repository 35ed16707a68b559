"""The device programs on JAX and PyTorch give the masks of the host; `make test-backends`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.device_answers import segmenter_answers
from support.device_material import HostAnswers, check_masks, host_answers, write_material
from support.samples import ROOT

from steeldefect.runtimes.device_program import PictureMasks, Placement

WITH_BACKENDS = "STEELDEFECT_BACKENDS"  # a Python that has JAX and PyTorch


def python_with(library: str) -> str:
    """Return a Python that has a library; skip the test if there is none and none was named."""
    named = os.environ.get(WITH_BACKENDS)
    if named is None and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed; `make test-backends` installs it")
    return named or sys.executable


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_material(tmp_path_factory.mktemp("backends") / "material")


@pytest.fixture(scope="module")
def host(material: Path) -> HostAnswers:
    return host_answers(material)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_answers_are_those_of_the_host(
    material: Path, host: HostAnswers, tmp_path: Path, backend: str
) -> None:
    python, target = python_with(backend), tmp_path / "answers.npz"
    subprocess.run(
        [python, ROOT / "tests" / "support" / "device_answers.py", material, target],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=600,
    )
    with np.load(target) as answers:
        assert str(answers["backend"]) == backend
        assert not answers["with_tensorflow"], "TensorFlow was imported"
        assert answers["too_large"], "its error of too little memory is not understood"
        np.testing.assert_allclose(answers["gate"], host.gate, atol=1e-5)
        here = segmenter_answers(material, Placement("cpu", xla=False))
        check_masks(
            [
                PictureMasks(
                    one.shape,
                    bool(answers["finite"][number]),
                    answers["peaks"][number],
                    one.planes,
                    answers["bits"][number],
                    {
                        int(name.split("_")[2]): answers[name]
                        for name in answers.files
                        if name.startswith(f"map_{number}_")
                    },
                )
                for number, one in enumerate(here)
            ],
            host,
        )
