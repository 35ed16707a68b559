"""Sort masks by picture, on the disk: a million of them may take more memory than there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steeldefect.program.temporary_files import temporary_files

Integers = npt.NDArray[np.int64]

SCHEMA = pa.schema(
    {
        "picture": pa.int64(),
        "class_id": pa.int64(),
        "kind": pa.string(),
        "text": pa.large_string(),
    }
)
_SHELVES = 200  # files that are open at the same time


class MaskShelves:
    """Masks, sorted into files by ranges of pictures; the files are deleted at the end."""

    def __init__(self, folder: str, pictures: int) -> None:
        """Open the files.

        Args:
            folder: folder for the files.
            pictures: number of pictures; they are numbered from 0.
        """
        self._range = max(1, -(-pictures // _SHELVES))
        self._stack = ExitStack()
        with temporary_files():
            made = self._stack.enter_context(TemporaryDirectory(dir=folder))
        self._folder = Path(made)
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}

    def __enter__(self) -> MaskShelves:
        """Return the shelves themselves."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Delete the files."""
        for writer in self._writers.values():
            writer.close()
        self._stack.close()

    def put(self, pictures: Integers, class_ids: Integers, texts: pa.Array, kind: str) -> None:
        """Add masks.

        Args:
            pictures: int64 (n,), numbers of the pictures.
            class_ids: int64 (n,), their classes.
            texts: string (n,), run lengths.
            kind: what the masks are; the same text for all of them.

        Raises:
            StoreError: the disk is full.
        """
        shelves = pictures // self._range
        for shelf in np.unique(shelves):
            rows = np.flatnonzero(shelves == shelf)
            columns = [
                pa.array(pictures[rows]),
                pa.array(class_ids[rows]),
                pa.repeat(kind, len(rows)),
                texts.take(pa.array(rows)).cast(pa.large_string()),
            ]
            with temporary_files():
                self._writer(int(shelf)).write_batch(pa.record_batch(columns, schema=SCHEMA))

    def take(self) -> Iterator[pa.Table]:
        """Yield the masks of each range of pictures: columns picture, class_id, kind and text."""
        for shelf in sorted(self._writers):
            with temporary_files():
                self._writers.pop(shelf).close()
                path = self._folder / str(shelf)
                with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
                    masks = reader.read_all()
                path.unlink()
            yield masks

    def _writer(self, shelf: int) -> pa.RecordBatchStreamWriter:
        if shelf not in self._writers:
            file = self._stack.enter_context(pa.OSFile(str(self._folder / str(shelf)), "wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[shelf] = pa.ipc.new_stream(file, SCHEMA, options=options)
        return self._writers[shelf]
