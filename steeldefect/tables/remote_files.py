"""Read data files in an object store for Arrow, and end these reads before Python exits.

Arrow reads ahead in its own threads, and these threads call the Delta library through Python. If a
scan ends early (LIMIT, an error, Ctrl-C), some of these calls are still to come. A thread that
calls into a Python that has shut down aborts or hangs the whole process.

So each scan gets its own file system, which lives exactly as long as Arrow refers to it, to one of
its files, or to data that was read from one: to release any of them is a call into Python, too.
When Python exits, further reads are refused, and the exit waits until every scan is released. The
errors that refuse reads are released after their scans (Arrow releases the type of an error last);
so the exit waits until these are gone, too.

Local files do not need this: Arrow reads them without Python.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import pyarrow as pa
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

Result = TypeVar("Result")

_POLL_SECONDS = 0.002
_LEFT_SECONDS = 1.0  # for errors to be released; whoever keeps a scan may keep its errors, too
_IDLE_SECONDS = 3.0  # after so long without a call, nobody reads the scan, even if Arrow holds it


class _ScanEndedError(OSError):
    """A read after the end of its scan; nobody else raises it, so those left can be counted."""

    def __init__(self) -> None:
        super().__init__("this scan was ended, because the program is ending")


class ScanHandler(DeltaStorageHandler):  # type: ignore[misc]
    """The Delta library's file system for one scan; `end` stops its reads."""

    def __init__(self, root: str, options: Mapping[str, str], sizes: Mapping[str, int]) -> None:
        """Prepare the file system; no request is sent yet.

        Args:
            root: address of the folder that holds the files.
            options: settings to reach the store.
            sizes: size of each file in bytes, by its path below the root.
        """
        super().__init__(root, dict(options), dict(sizes))
        self._lock = threading.Lock()
        self._running = 0
        self._ended = False
        self._touched: float | None = None
        _remember(self)

    @property
    def used(self) -> bool:
        """Whether anything was ever read."""
        return self._touched is not None

    @property
    def idle(self) -> bool:
        """Whether no call is running, and there was none for `_IDLE_SECONDS`."""
        touched = self._touched or 0.0
        return self._running == 0 and time.monotonic() - touched > _IDLE_SECONDS

    def end(self) -> None:
        """Refuse all further reads; reads that are running go on."""
        self._ended = True
        self._touched = time.monotonic()

    def call(self, work: Callable[[], Result]) -> Result:
        """Run a read that Arrow asks for, and return its result.

        Raises:
            OSError: the scan has ended.
        """
        with self._lock:
            if self._ended:
                raise _ScanEndedError
            self._running += 1
            self._touched = time.monotonic()
        try:
            return work()
        except Exception:  # of any type: whichever it is, Arrow releases it after the scan
            if self._ended:
                raise _ScanEndedError from None
            raise
        finally:
            with self._lock:
                self._running -= 1
                self._touched = time.monotonic()

    def open_input_file(self, path: str) -> pa.PythonFile:
        """Open a file for random access."""
        file = self.call(lambda: self._handler.open_input_file(path))
        return pa.PythonFile(_ScannedFile(file, self), mode="r")


class _ReadData(np.ndarray):
    """Bytes of a file; they refer to their scan, so that it lives as long as they do."""

    scan: ScanHandler


class _ScannedFile:
    """An open file; it refers to its scan, so that the scan lives as long as the file."""

    def __init__(self, file: object, scan: ScanHandler) -> None:
        self._file = file
        self._scan = scan

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)  # type: ignore[attr-defined]

    def read(self, size: int | None = None) -> np.ndarray:
        """Read up to `size` bytes: an array (N,) of uint8 that refers to the scan."""
        data: bytes = self._scan.call(lambda: self._file.read(size))  # type: ignore[attr-defined]
        array = np.frombuffer(data, np.uint8).view(_ReadData)  # not copied
        array.scan = self._scan
        return array

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))  # type: ignore[attr-defined]

    def tell(self) -> int:
        return int(self._file.tell())  # type: ignore[attr-defined]

    def close(self) -> None:
        self._file.close()  # type: ignore[attr-defined]


def scan_file_system(
    root: str, options: Mapping[str, str], sizes: Mapping[str, int]
) -> PyFileSystem:
    """Create the file system of one scan; see `ScanHandler`."""
    return PyFileSystem(ScanHandler(root, options, sizes))


def end_scans() -> None:
    """End all scans, and wait until no thread of Arrow can call into Python for them any more.

    Calls that are running are waited for; the Delta library's timeouts bound each of them. A scan
    that is still referred to, but not read, is not waited for.
    """
    waited = [one for one in _SCANS if _was_used(one)]
    before = sys.getrefcount(_ScanEndedError)
    for one in waited:
        _end(one)
    while any(_calls_may_come(one) for one in waited):
        time.sleep(_POLL_SECONDS)
    last = time.monotonic() + _LEFT_SECONDS
    while sys.getrefcount(_ScanEndedError) > before and time.monotonic() < last:
        time.sleep(_POLL_SECONDS)


def _was_used(scan: weakref.ref[ScanHandler]) -> bool:
    alive = scan()
    return alive is not None and alive.used


def _end(scan: weakref.ref[ScanHandler]) -> None:
    alive = scan()
    if alive is not None:
        alive.end()


def _calls_may_come(scan: weakref.ref[ScanHandler]) -> bool:
    alive = scan()
    return alive is not None and not alive.idle


def _remember(scan: ScanHandler) -> None:
    """Add a scan to those that `end_scans` ends; a scan that is released is forgotten."""
    _SCANS[:] = [one for one in _SCANS if one() is not None] + [weakref.ref(scan)]


# Not a WeakSet: its references call Python when a scan is released. A thread of Arrow would be in
# this call, and not yet at its end, when the exit already finds the scan released.
_SCANS: list[weakref.ref[ScanHandler]] = []
atexit.register(end_scans)
