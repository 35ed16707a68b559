"""Write folders that users name: completely or not at all, and never into a folder in use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
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


@contextmanager
def replaced_folder(folder: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends without error, it replaces `folder`.

    The folder before is deleted. If the block raises, that folder stays as it was.

    Args:
        folder: folder to replace; it need not exist. A link is followed.
        check: raises if the content of a folder must not be deleted. It is called before the block
            and again after it.

    Raises:
        StoreError: the folder cannot be written; and what `check` raises.
    """
    target = Path(os.path.realpath(folder))
    check(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=target.parent, prefix=".staged-"))
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from None
    try:
        new = staged / "new"
        new.mkdir()  # with the usual permissions, unlike the folder around it
        yield new
        check(target)
        _exchange(folder, new, target, staged / "before")
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _exchange(folder: Path, new: Path, target: Path, before: Path) -> None:
    """Move the target away, and the new folder to its place."""
    try:
        if target.exists():
            target.rename(before)
        try:
            new.rename(target)
        except OSError:
            if before.exists():
                before.rename(target)
            raise
    except OSError as error:
        raise StoreError(f"cannot replace {folder}: {error.strerror}") from None


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
