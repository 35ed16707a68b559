"""Write folders that users name: completely or not at all, and never into a folder in use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steeldefect.errors import AlreadyExistsError, StoreError


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends without error, its content is in `folder`.

    Raises:
        AlreadyExistsError: `folder` is a file, or holds something.
        StoreError: it cannot be written.
    """
    target = Path(os.path.realpath(folder))
    staged = _stage(folder, target)
    try:
        yield staged
        _move(folder, staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _stage(folder: Path, target: Path) -> Path:
    """Create a folder beside the target; the target must be missing or empty."""
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise AlreadyExistsError(f"{folder} exists and is not an empty folder; name a new one")
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=target.parent, prefix=".staged-"))
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from None


def _move(folder: Path, staged: Path, target: Path) -> None:
    """Move the content of the staged folder into the target."""
    try:
        target.mkdir(exist_ok=True)
        if any(target.iterdir()):
            raise AlreadyExistsError(f"{folder} is in use by another program; name a new folder")
        for child in staged.iterdir():
            child.rename(target / child.name)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from None
