"""Write files that users name: completely or not at all, and never over a file by accident."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from steeldefect.errors import AlreadyExistsError, StoreError


class Existing(Enum):
    """Whether an existing file is kept or replaced."""

    KEEP = "refuse to write"
    REPLACE = "write in its place"


@contextmanager
def new_file(path: Path, existing: Existing = Existing.KEEP) -> Iterator[Path]:
    """Yield a temporary file to write to; when the block ends without error, rename it to `path`.

    Args:
        path: path of the new file; its folder is created. A link is followed.
        existing: whether an existing file is replaced.

    Yields:
        Path of an empty file in the same folder. It is deleted if the block raises an error.

    Raises:
        AlreadyExistsError: the file exists and must be kept; raised before the block runs if it
            exists then.
        StoreError: `path` exists and is not a regular file.
        OSError: the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    _refuse(path, existing)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".staged-")
    staged = Path(name)
    try:
        os.fchmod(handle, 0o666 & ~_mask())
        os.close(handle)
        yield staged
        if existing is Existing.REPLACE:
            staged.replace(target)
        else:
            _move_new(staged, target, path)
    finally:
        staged.unlink(missing_ok=True)


def _refuse(path: Path, existing: Existing) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"cannot write {path}: it is not a regular file; name another one")
    if existing is Existing.KEEP:
        raise _exists(path)


def _move_new(staged: Path, target: Path, path: Path) -> None:
    """Move a file to a name that must be free, even if another program takes it at this moment."""
    try:
        os.link(staged, target)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without links
        with suppress(FileNotFoundError):
            target.stat()
            raise _exists(path) from None
        staged.replace(target)


def _exists(path: Path) -> AlreadyExistsError:
    return AlreadyExistsError(f"{path} exists; name another file, or add --overwrite")


def _mask() -> int:
    """Return the process's umask."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
