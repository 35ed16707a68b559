r"""Pack this environment for `spark-submit --archives`: then executors need only Java and Spark.

    steeldefect pack dist/steeldefect-env.tar.gz
    spark-submit --archives dist/steeldefect-env.tar.gz#env \
        --conf spark.pyspark.python=env/bin/python ...

The archive holds the Python that runs this program, its standard library, the shared libraries that
it loads, and the packages that scoring needs, in their installed versions. It does not hold
packages that only training needs, nor PySpark, which is part of every Spark. `bin/python` starts
the packed Python from any folder. It needs Linux with a C library at least as new as this host's.
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
"""Shared libraries that are not packed: every Linux has its own, which match its loader."""

_STARTER = """\
#!/bin/sh
# Start the Python beside this script, in any folder; PATH is not needed.
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
        target: path of the `.tar.gz` file; its folder is created.
        gpu: whether TensorFlow is packed too, as it is installed here (with CUDA's libraries if the
            extra `gpu` is installed).
        existing: whether an existing file is replaced.

    Returns:
        Size of the archive in bytes.

    Raises:
        DataError: a package that scoring needs is not installed here.
        StoreError: the file exists and must be kept, or it is not a regular file.
        OSError: the archive cannot be written.
    """
    excluded = _OF_SPARK | (_OF_TRAINING - _ON_GPUS if gpu else _OF_TRAINING)
    # level 1: the archive is written once, and every executor unpacks it
    # links are packed as the files that they point to: their targets are missing on other hosts
    with (
        new_file(target, existing) as staged,
        tarfile.open(staged, "w:gz", compresslevel=1, dereference=True) as archive,
    ):
        for source, name in _files(needed_distributions(OWN, excluded)):
            archive.add(source, name, recursive=False, filter=_owned_by_nobody)
        _add_program(archive, "bin/python", _STARTER.replace("INTERPRETER", _interpreter().name))
    return target.stat().st_size


def needed_distributions(root: str, excluded: Iterable[str]) -> list[Distribution]:
    """List the installed packages that a package requires, directly or through others.

    Args:
        root: name of the package, which is not in the list itself.
        excluded: names of packages to leave out, with what only they require.

    Raises:
        DataError: a required package is not installed.
    """
    seen = {canonicalize_name(name) for name in (root, *excluded)}
    waiting, found = list(_requirements(_installed(root), ())), []
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        package = _installed(requirement.name)
        found.append(package)
        waiting += _requirements(package, tuple(requirement.extras))
    return sorted(found, key=lambda package: str(package.name))


def _requirements(package: Distribution, extras: Sequence[str]) -> Iterator[Requirement]:
    for text in package.requires or ():
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
    """Yield every file to pack, with its path in the archive."""
    yield from _files_of_python()
    for package in distributions:
        yield from _files_of(package)
    own = Path(steeldefect.__file__).parent
    for path in own.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".typed"):
            yield path, f"packages/{OWN}/{path.relative_to(own)}"
    yield from _own_metadata()


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


def _files_of(package: Distribution) -> Iterator[tuple[Path, str]]:
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        inside = ".." not in file.parts and not file.is_absolute()
        if inside and path.suffix != ".pyc" and path.is_file():
            yield path, f"packages/{file}"


def _own_metadata() -> Iterator[tuple[Path, str]]:
    """Yield the file that states the version of this project, with its path in the archive."""
    package = _installed(OWN)
    for name in ("METADATA", "PKG-INFO"):
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            if file.name == name and path.is_file():
                yield path, f"packages/{OWN}-{package.version}.dist-info/METADATA"
                return


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _NOT_NEEDED.search(path.relative_to(folder).as_posix()):
            yield path


def _interpreter() -> Path:
    return Path(sys._base_executable).resolve()  # type: ignore[attr-defined]


def _shared_libraries(native: Sequence[Path]) -> set[Path]:
    """Return the shared libraries that programs load, as `ldd` finds them, without `_OF_LINUX`."""
    listed = subprocess.run(
        ["ldd", *map(str, native)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^\s+(\S+) => (/\S+)", listed.stdout, re.MULTILINE)
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
