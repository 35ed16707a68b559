"""A store in a folder of the local (or mounted) file system."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from steeldefect.addresses import absolute, check_table_address
from steeldefect.errors import AlreadyExistsError, FetchError, StoreError, StoreUnavailableError
from steeldefect.stores.base import Fetched, FetchLimits, ObjectInfo
from steeldefect.stores.names import key_of, name_of
from steeldefect.stores.walking import Entry, Walk

_STAGED = b".staged-"  # prefix of the names of files that are being written
_FOR_GOOD = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Errors of the file or of the rights to it, which a retry does not change; others may pass."""


class LocalStore:
    """Objects are files below a root folder, which the first write creates.

    The etag consists of modification time and size, because listing must not read pictures.
    """

    def __init__(self, root: Path) -> None:
        """Set the root; no file is read or written yet.

        Raises:
            SettingsError: the path is relative to a folder whose name is not UTF-8.
        """
        self.uri = absolute(root)
        self._root = self.uri.encode()

    def scan(
        self, prefix: str = "", enters: Callable[[str], bool] | None = None
    ) -> Iterator[ObjectInfo]:
        """Yield files folder by folder, sorted by name within a folder; see `Store.scan`."""
        start = name_of(prefix).rpartition(b"/")[0]

        def may_enter(folder: bytes) -> bool:
            key = f"{key_of(folder)}/"
            return _may_hold(key, prefix) and (enters is None or enters(key))

        try:
            for name, entry in Walk(self._root, may_enter).files(start):
                key = key_of(name)
                if key.startswith(prefix) and not entry.name.startswith(_STAGED):
                    yield from _describe(key, entry)
        except OSError as error:
            where = key_of(error.filename or self._root).rstrip("/")
            raise StoreError(f"cannot list {where}: {error.strerror}") from None

    def read(self, key: str) -> bytes:
        """Read a file; see `Store.read`."""
        return b"".join(self.pieces(key, -1))

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield a file in pieces; see `Store.pieces`. A negative size means the whole file."""
        try:
            with open(self._path(key), "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise StoreError(f"cannot read {self._named(key)}: it is not a regular file")
                while piece := file.read(size):
                    yield piece
        except OSError as error:
            raise StoreError(f"cannot read {self._named(key)}: {error.strerror}") from None

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        """Read a file with its version; see `Store.fetch`. `limits.seconds` is ignored."""
        try:
            # a buffer of Python's would only add system calls
            with open(self._path(key), "rb", buffering=0, opener=_open_at_once) as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise StoreError(f"cannot read {self._named(key)}: it is not a regular file")
                data = _read(file, min(before.st_size, limits.max_bytes) + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            kind = StoreError if isinstance(error, _FOR_GOOD) else StoreUnavailableError
            raise kind(f"cannot read {self._named(key)}: {error.strerror}") from None
        if len(data) > limits.max_bytes:
            size = max(len(data), after.st_size)
            raise FetchError(f"too large: {size} bytes, at most {limits.max_bytes} are read")
        if _etag(before) != _etag(after) or len(data) != after.st_size:
            raise StoreUnavailableError(f"{self._named(key)} changed while it was read")
        return Fetched(data, _etag(after))

    def write(self, key: str, data: bytes) -> None:
        """Write a file beside its place, then rename it; see `Store.write`."""
        path = self._path(key)
        staged = self._stage(key, path, data)
        try:
            os.replace(staged, path)
        except OSError as error:
            os.unlink(staged)
            raise StoreError(f"cannot write {self._named(key)}: {error.strerror}") from None

    def write_new(self, key: str, data: bytes) -> None:
        """Write a file beside its place, then link it; linking fails if the file exists."""
        path = self._path(key)
        staged = self._stage(key, path, data)
        try:
            os.link(staged, path)
        except FileExistsError:
            raise AlreadyExistsError(f"{self._named(key)} exists") from None
        except OSError as error:
            raise StoreError(f"cannot write {self._named(key)}: {error.strerror}") from None
        finally:
            os.unlink(staged)

    def delete(self, key: str) -> None:
        """Delete a file; see `Store.delete`."""
        try:
            with suppress(FileNotFoundError):
                os.unlink(self._path(key))
        except OSError as error:
            raise StoreError(f"cannot delete {self._named(key)}: {error.strerror}") from None

    def delta_uri(self, key: str) -> str:
        """Return the absolute path of the folder; see `Store.delta_uri`."""
        check_table_address(self.uri)
        return self._named(key)

    def delta_options(self) -> dict[str, str]:
        """Return no options: a local folder needs none."""
        return {}

    def _named(self, key: str) -> str:
        """Return the absolute path of a key as text."""
        return f"{self.uri.rstrip('/')}/{key}"

    def _path(self, key: str) -> bytes:
        """Return the path of a key's file.

        Raises:
            StoreError: no file below the root can have that key.
        """
        try:
            name = name_of(key)
        except UnicodeEncodeError:
            name = b"\0"
        if b"\0" in name or b".." in name.split(b"/"):
            raise StoreError(f"{key!r} is not the key of a file below {self.uri}")
        return self._root + b"/" + name

    def _stage(self, key: str, path: bytes, data: bytes) -> bytes:
        """Write a file beside its place, and return its path."""
        staged = None
        try:
            folder = os.path.dirname(path)
            os.makedirs(folder, exist_ok=True)
            handle, staged = tempfile.mkstemp(dir=folder, prefix=_STAGED)
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                with suppress(OSError):  # mounted shares may refuse to change rights
                    os.fchmod(file.fileno(), 0o644)
            return staged
        except OSError as error:
            if staged is not None:
                os.unlink(staged)
            raise StoreError(f"cannot write {self._named(key)}: {error.strerror}") from None


def _read(file: io.FileIO, most: int) -> bytes:
    """Read up to `most` bytes; one call of the operating system may return fewer than it could."""
    data = file.read(most) or b""
    while 0 < len(data) < most and (more := file.read(most - len(data))):
        data += more
    return data


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting; opening a pipe would otherwise wait for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _describe(key: str, entry: Entry) -> Iterator[ObjectInfo]:
    try:
        status = entry.stat()
    except FileNotFoundError:
        if not entry.is_symlink():
            return  # deleted since the folder was read
        yield _unreadable(key)
    except OSError:  # a circular link, or a share that fails
        yield _unreadable(key)
    else:
        etag = _etag(status)
        regular = stat.S_ISREG(status.st_mode)
        yield ObjectInfo(key, etag, status.st_size, _moment(status.st_mtime), regular)


def _unreadable(key: str) -> ObjectInfo:
    """Return an entry for a file that cannot be examined; reading it will report why."""
    return ObjectInfo(key, "unreadable", 0, datetime.now(UTC))


def _moment(seconds: float) -> datetime:
    """Return a file's time; the first or last possible time if it is outside the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)


def _may_hold(folder: str, prefix: str) -> bool:
    """Return whether keys below a folder can begin with a prefix."""
    return folder.startswith(prefix) or prefix.startswith(folder)
