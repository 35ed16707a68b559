"""What is packed for executors. Whether it runs there, `tests/cluster` shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from steeldefect import packing
from steeldefect.errors import DataError
from steeldefect.packing import needed_distributions


def test_what_scoring_needs_is_found_with_what_that_needs() -> None:
    names = {one.name for one in needed_distributions("steeldefect", ["pyspark", "tensorflow"])}
    assert {"numpy", "openvino", "deltalake", "boto3"} <= names
    assert {"botocore", "urllib3", "pydantic_core"} <= names, "requirements of requirements"
    assert names.isdisjoint({"steeldefect", "pyspark", "tensorflow", "pytest", "ray"})


def test_what_is_left_out_takes_what_it_alone_needs_along() -> None:
    excluded = ["pyspark", "tensorflow", "keras", "nncf", "matplotlib", "tensorboard"]
    names = {one.name for one in needed_distributions("steeldefect", excluded)}
    assert names.isdisjoint({"h5py", "absl-py", "fonttools"})


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(DataError, match="no-such-package is not installed here; run `make setup`"):
        needed_distributions("no-such-package", [])


def test_python_is_packed_with_its_library_and_without_its_tests() -> None:
    files = {name: path for path, name in packing._files_of_python()}
    version = f"python3.{sys.version_info.minor}"
    assert f"lib/{version}/os.py" in files
    assert f"lib/{version}/encodings/utf_8.py" in files
    assert any(name.startswith("lib/shared/libssl") for name in files)
    assert not any("/test/" in name or "site-packages" in name for name in files)
    assert all(Path(path).is_file() for path in files.values())
