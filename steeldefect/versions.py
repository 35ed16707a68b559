"""Versions of what a number, or a fault, can depend on."""

from __future__ import annotations

import importlib.metadata
import platform

_LIBRARIES = (
    "steeldefect",
    "pyspark",
    "tensorflow",
    "keras",
    "openvino",
    "nncf",
    "deltalake",
    "pyarrow",
    "opencv-python-headless",
    "pillow",
    "numpy",
    "boto3",
)


def versions() -> dict[str, str]:
    """Give the versions of Python and of the libraries that a number can depend on."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
