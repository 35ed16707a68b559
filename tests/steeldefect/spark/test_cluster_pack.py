"""The content of the archive for executors. `tests/cluster` tests whether it runs there."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

import pytest

from steeldefect.errors import DataError
from steeldefect.spark import cluster_pack
from steeldefect.spark.cluster_pack import needed_distributions


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


def test_no_link_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, twin = tmp_path / "libown.so.1.0", tmp_path / "libtwin.so"
    library.write_bytes(b"native code")
    (tmp_path / "libown.so.1").symlink_to(library.name)
    os.link(library, twin)
    names = (library.name, "libown.so.1", twin.name)
    sources = [(tmp_path / name, f"lib/shared/{name}") for name in names]
    monkeypatch.setattr(cluster_pack, "_files", lambda _: iter(sources))
    cluster_pack.pack(tmp_path / "env.tar.gz")
    with tarfile.open(tmp_path / "env.tar.gz") as archive:
        assert archive.getnames() == [*(f"lib/shared/{name}" for name in names), "bin/python"]
        assert all(member.isreg() for member in archive.getmembers())
        content = [archive.extractfile(f"lib/shared/{name}") for name in names]
        assert [file.read() for file in content if file] == [b"native code"] * 3


def test_python_is_packed_with_its_library_and_without_its_tests() -> None:
    files = {name: path for path, name in cluster_pack._files_of_python()}
    version = f"python3.{sys.version_info.minor}"
    assert f"lib/{version}/os.py" in files
    assert f"lib/{version}/encodings/utf_8.py" in files
    assert any(name.startswith("lib/shared/libssl") for name in files)
    assert not any("/test/" in name or "site-packages" in name for name in files)
    assert all(Path(path).is_file() for path in files.values())
