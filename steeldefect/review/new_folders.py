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
    """Yield an empty folder to fill; when the block ends without error, rename it to `folder`.

    Raises:
        AlreadyExistsError: `folder` is a file, or holds something.
        StoreError: it cannot be written.
    """
    target = Path(os.path.realpath(folder))
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise AlreadyExistsError(f"{folder} exists and is not an empty folder; name a new one")
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=target.parent, prefix=".staged-"))
        try:
            yield staged
            staged.chmod(0o755)
            staged.replace(target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from None
