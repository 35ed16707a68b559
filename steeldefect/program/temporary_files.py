"""Explain errors of the disk that holds temporary files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from steeldefect.errors import StoreError


@contextmanager
def temporary_files() -> Iterator[None]:
    """Explain errors of the disk for temporary files in the block.

    Raises:
        StoreError: the disk is full, or refused.
    """
    try:
        yield
    except OSError as error:
        detail = error.strerror or " ".join(str(error).split())
        raise StoreError(
            f"the disk for temporary files: {detail}; free space there, or set TMPDIR to a folder "
            "on another disk"
        ) from None
