"""List the versions of Python and of the libraries that affect results."""

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
    """Return the versions of Python and of the libraries that affect results, by name."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
