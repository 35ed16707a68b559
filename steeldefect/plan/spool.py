"""Keep rows on the disk between a thread that appends them and a thread that reads them.

A plan of ten million keys does not have to fit into memory, and its first rows can be read before
its last rows are known.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from tempfile import TemporaryFile

import pyarrow as pa

from steeldefect.program.temporary_files import temporary_files

_LOOK_SECONDS = 0.2
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


def _never() -> bool:
    return False


class Spool:
    """Rows of one schema in a temporary file, which is deleted when nothing refers to it."""

    def __init__(self, schema: pa.Schema) -> None:
        """Open the file.

        Raises:
            StoreError: the disk for temporary files refused.
        """
        self._schema = schema
        self._changed = threading.Condition()
        self._places: list[tuple[int, int]] = []  # begin and length of each appended table
        self._rows = 0
        self._ended = False
        self._error: Exception | None = None
        with temporary_files():
            self._file = TemporaryFile()  # noqa: SIM115  # closed when nothing refers to it

    @property
    def rows(self) -> int:
        """Number of rows so far."""
        return self._rows

    def append(self, table: pa.Table) -> None:
        """Append rows.

        Raises:
            StoreError: the disk is full.
        """
        if not table.num_rows:
            return
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=_COMPRESSED) as stream:
            stream.write_table(table.select(self._schema.names).cast(self._schema))
        data = sink.getvalue()
        with temporary_files():
            begin = self._file.tell()
            self._file.write(data)
            self._file.flush()
        with self._changed:
            self._places.append((begin, data.size))
            self._rows += table.num_rows
            self._changed.notify_all()

    def end(self, error: Exception | None = None) -> None:
        """State that no more rows come.

        Args:
            error: what ended them before their time; readers raise it after the last row.
        """
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def tables(self, given_up: Callable[[], bool] = _never) -> Iterator[pa.Table]:
        """Yield all rows in their order; wait for rows that are still to come.

        Args:
            given_up: returns whether to stop waiting and reading.

        Raises:
            StoreError: the disk refused.
            Exception: the error that ended the rows.
        """
        count = 0
        while (place := self._place(count, given_up)) is not None:
            count += 1
            with temporary_files():
                data = os.pread(self._file.fileno(), place[1], place[0])
            with pa.ipc.open_stream(data) as stream:
                yield stream.read_all()

    def whole(self) -> pa.Table:
        """Return all rows as one table; see `tables`."""
        return pa.concat_tables([self._schema.empty_table(), *self.tables()])

    def _place(self, number: int, given_up: Callable[[], bool]) -> tuple[int, int] | None:
        """Wait for the place of an appended table; None after the last one."""
        with self._changed:
            while not given_up():
                if number < len(self._places):
                    return self._places[number]
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                self._changed.wait(_LOOK_SECONDS)
        return None
