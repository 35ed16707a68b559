"""Keep the listing of a folder until its turn comes; a large one is kept in a temporary file.

Many folders are listed ahead, and a folder may hold millions of objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile

from steeldefect.program.temporary_files import temporary_files
from steeldefect.stores.base import ObjectInfo

_IN_MEMORY = 2**20  # bytes


class ListedPages:
    """The objects of a folder, in their order."""

    def __init__(self, pages: Iterable[Iterable[ObjectInfo]]) -> None:
        """Read all pages.

        Raises:
            StoreError: the disk for temporary files is full.
        """
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # `objects` closes it
        for page in pages:
            rows = [[one.key, one.etag, one.size, one.modified.timestamp()] for one in page]
            with temporary_files():
                self._file.write(json.dumps(rows).encode() + b"\n")

    def objects(self) -> Iterator[ObjectInfo]:
        """Yield the objects, once."""
        with self._file, temporary_files():
            self._file.seek(0)
            for line in self._file:
                for key, etag, size, moment in json.loads(line):
                    yield ObjectInfo(key, etag, size, datetime.fromtimestamp(moment, UTC))
