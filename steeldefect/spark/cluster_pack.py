r"""Packs this environment for `spark-submit --archives`: executors then need Java and Spark alone.

    steeldefect pack dist/steeldefect-env.tar.gz
    spark-submit --archives dist/steeldefect-env.tar.gz#env \
        --conf spark.pyspark.python=env/bin/python ...

In the archive lie this very Python, its standard library with the shared libraries that it loads,
and the packages that scoring needs, in the versions that are installed here; not what training
alone needs, and not PySpark, which every Spark brings. `bin/python` starts it from wherever the
archive was unpacked. It runs on Linux with a C library as new as this host's.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import steeldefect
from steeldefect.errors import DataError
from steeldefect.program.new_files import Existing, new_file

OWN = "steeldefect"
_OF_SPARK = frozenset({"pyspark"})
_OF_TRAINING = frozenset({"keras", "matplotlib", "nncf", "tensorboard", "tensorflow"})
_ON_GPUS = frozenset({"keras", "tensorflow"})

_NOT_NEEDED = re.compile(
    r"(^|/)(__pycache__|site-packages|dist-packages|test|tests|idlelib|ensurepip|tkinter|turtledemo"
    r"|lib2to3|config-[^/]*)(/|$)|(^|/)_tkinter[^/]*$|\.(pyc|a)$"
)
_OF_LINUX = re.compile(r"^(ld-linux|lib(c|m|dl|rt|pthread|util|resolv|nsl|crypt)\.so)")
"""Shared libraries that every Linux has; taking them along would break what it has."""

_STARTER = """\
#!/bin/sh
# Starts the Python beside it, wherever this archive was unpacked; needs no PATH.
home=$(cd -- "${0%/*}/.." && pwd -P) || exit 1
export PYTHONHOME="$home"
export PYTHONPATH="$home/packages${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONNOUSERSITE=1
export LD_LIBRARY_PATH="$home/lib/shared${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$home/bin/INTERPRETER" "$@"
"""


def pack(target: Path, gpu: bool = False, existing: Existing = Existing.REPLACE) -> int:
    """Write the archive.

    Args:
        target: `.tar.gz` to write; its folder is made.
        gpu: take TensorFlow along, as it is installed here; with the extra `gpu`, CUDA's libraries.
        existing: what becomes of a file that is there.

    Returns:
        Its size in bytes.

    Raises:
        DataError: a package that scoring needs is not installed here.
        StoreError: the file exists and is to be kept, or is not a regular file.
        OSError: the archive cannot be written.
    """
    excluded = _OF_SPARK | (_OF_TRAINING - _ON_GPUS if gpu else _OF_TRAINING)
    # level 1: the archive is written once, and unpacked by every executor
    # links become the files that they lead to: what is unpacked elsewhere leads nowhere else
    with (
        new_file(target, existing) as staged,
        tarfile.open(staged, "w:gz", compresslevel=1, dereference=True) as archive,
    ):
        for source, name in _files(needed_distributions(OWN, excluded)):
            archive.add(source, name, recursive=False, filter=_owned_by_nobody)
        _add_program(archive, "bin/python", _STARTER.replace("INTERPRETER", _interpreter().name))
    return target.stat().st_size


def needed_distributions(root: str, excluded: Iterable[str]) -> list[Distribution]:
    """Find what is installed of a package's requirements, theirs, and so on.

    Args:
        root: the package; it is not among what is found.
        excluded: names that are not followed.

    Raises:
        DataError: one is not installed.
    """
    seen = {canonicalize_name(name) for name in (root, *excluded)}
    waiting, found = list(_requirements(_installed(root), ())), []
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        one = _installed(requirement.name)
        found.append(one)
        waiting += _requirements(one, tuple(requirement.extras))
    return sorted(found, key=lambda one: str(one.name))


def _requirements(one: Distribution, extras: Sequence[str]) -> Iterator[Requirement]:
    for text in one.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise DataError(f"{name} is not installed here; run `make setup`, and pack again") from None


def _files(distributions: Sequence[Distribution]) -> Iterator[tuple[Path, str]]:
    """Give every file of the archive with its place there."""
    yield from _files_of_python()
    for one in distributions:
        yield from _files_of(one)
    own = Path(steeldefect.__file__).parent
    for path in own.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".typed"):
            yield path, f"packages/{OWN}/{path.relative_to(own)}"
    yield from _metadata_of_own()


def _files_of_python() -> Iterator[tuple[Path, str]]:
    interpreter, library = _interpreter(), Path(sysconfig.get_path("stdlib"))
    yield interpreter, f"bin/{interpreter.name}"
    native = [interpreter]
    for path in _below(library):
        yield path, f"lib/{library.name}/{path.relative_to(library)}"
        if path.suffix == ".so":
            native.append(path)
    for path in sorted(_shared_libraries(native)):
        yield path, f"lib/shared/{path.name}"


def _files_of(one: Distribution) -> Iterator[tuple[Path, str]]:
    for file in one.files or ():
        path = Path(str(one.locate_file(file)))
        inside = ".." not in file.parts and not file.is_absolute()
        if inside and path.suffix != ".pyc" and path.is_file():
            yield path, f"packages/{file}"


def _metadata_of_own() -> Iterator[tuple[Path, str]]:
    """Give the files that say which version of this project it is."""
    one = _installed(OWN)
    for name in ("METADATA", "PKG-INFO"):
        for file in one.files or ():
            path = Path(str(one.locate_file(file)))
            if file.name == name and path.is_file():
                yield path, f"packages/{OWN}-{one.version}.dist-info/METADATA"
                return


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _NOT_NEEDED.search(path.relative_to(folder).as_posix()):
            yield path


def _interpreter() -> Path:
    return Path(sys._base_executable).resolve()  # type: ignore[attr-defined]


def _shared_libraries(native: Sequence[Path]) -> set[Path]:
    """Find the libraries that programs load, but for those of every Linux; as `ldd` finds them."""
    told = subprocess.run(
        ["ldd", *map(str, native)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^\s+(\S+) => (/\S+)", told.stdout, re.MULTILINE)
    return {Path(path) for name, path in found if not _OF_LINUX.match(name)}


def _owned_by_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode |= 0o444 | (0o111 if entry.mode & 0o100 else 0)
    return entry


def _add_program(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    content = text.encode()
    entry.size, entry.mode = len(content), 0o755
    archive.addfile(entry, io.BytesIO(content))
