"""Nothing is reported to anybody: the telemetry package of the libraries is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    ["steeldefect.runtimes.openvino", "training.export.quantise"],
    ids=["scoring", "training"],
)
def test_no_library_finds_its_telemetry(module: str) -> None:
    code = (
        f"import {module}, sys\n"
        "from openvino.tools import ovc\n"
        "print(type(ovc.telemetry).__module__, sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"]
