"""List the picture files of a data folder, and the other entries beside them."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
"""Suffixes of the files that count as pictures."""


@dataclass(frozen=True)
class PictureFiles:
    """The entries of a folder of pictures.

    Attributes:
        paths: paths of the pictures by file name, ascending.
        unnameable: printable names of the pictures whose file names are not UTF-8.
        passed_over: reason why each other entry is not a picture, by its printable name.
    """

    paths: dict[str, Path]
    unnameable: tuple[str, ...]
    passed_over: dict[str, str]


def find_pictures(folder: Path) -> PictureFiles:
    """List the pictures in a folder; subfolders are not searched.

    A picture is a regular file, or a link to a regular file, that is not hidden and has one of
    `SUFFIXES`. No file is opened, because opening a pipe could block.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}") from None
    reasons = {path: _reason_against(path) for path in entries}
    pictures = [path for path, reason in reasons.items() if reason is None]
    return PictureFiles(
        paths={path.name: path for path in pictures if _is_utf8(path.name)},
        unnameable=tuple(_printable(path.name) for path in pictures if not _is_utf8(path.name)),
        passed_over={
            _printable(path.name): reason for path, reason in reasons.items() if reason is not None
        },
    )


def _reason_against(path: Path) -> str | None:
    if path.name.startswith("."):
        return "hidden"
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = stat.S_IFREG  # such as a broken link: reading it later reports the error
    if stat.S_ISDIR(mode):
        return "a folder, which is not searched"
    if not stat.S_ISREG(mode):
        return "not a regular file"
    return None if path.suffix.lower() in SUFFIXES else "not a picture by its name"


def _is_utf8(name: str) -> bool:
    return _printable(name) == name


def _printable(name: str) -> str:
    """Return a name that can be printed; bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
