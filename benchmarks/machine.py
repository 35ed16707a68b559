"""Describe the machine and the versions of a measurement."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from steeldefect.runtimes.choose_precision import cpu_flags

_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_LONGEST = 60  # characters of a file name
_LIBRARIES = (
    *("pyspark", "tensorflow", "keras", "openvino", "pyarrow", "numpy", "deltalake"),
    *("mlflow-skinny", "ray", "daft"),
)


def machine() -> dict[str, str]:
    """Return CPU, memory and library versions, as texts by name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((one.partition(":")[2].strip() for one in lines if "model name" in one), "?")
    flags = " ".join(one for one in _TELLING if one in cpu_flags())
    memory = psutil.virtual_memory().total / 2**30
    versions = {name: found for name in _LIBRARIES if (found := _version(name))}
    return {
        "CPU": f"{model}, {len(os.sched_getaffinity(0))} cores, {flags or 'none of these flags'}",
        "memory": f"{memory:.0f} GiB",
        "versions": ", ".join(f"{name} {one}" for name, one in versions.items()),
    }


def file_name(described: Mapping[str, str]) -> str:
    """Return a file name for the figures of a machine: letters of its CPU's description."""
    return "-".join(re.findall(r"[a-z0-9_]+", described["CPU"].lower()))[:_LONGEST].strip("-")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
