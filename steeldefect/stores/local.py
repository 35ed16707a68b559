"""A folder of the local (or mounted) file system as a store."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from steeldefect.errors import (
    AlreadyExistsError,
    FetchError,
    StoreError,
    StoreUnavailableError,
)
from steeldefect.stores.base import Fetched, FetchLimits, ObjectInfo

_STAGED = ".staged-"  # begins the names of files that are being written


class LocalStore:
    """Objects are files below a root folder, which the first write creates.

    The etag is made of modification time and size, because listing must not read pictures.
    """

    def __init__(self, root: Path) -> None:
        """Name the root; nothing is touched yet."""
        self._root = Path(os.path.abspath(root))
        self.uri = str(self._root)

    def scan(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List files folder by folder, each in the order of names; see `Store.scan`."""
        visited: set[tuple[int, int]] = set()
        walk = os.walk(self._root, onerror=_refuse_unreadable, followlinks=True)
        for folder, subfolders, names in walk:
            if _seen(folder, visited):  # a link that leads back up
                subfolders.clear()
                continue
            relative = Path(folder).relative_to(self._root).as_posix()
            below = "" if relative == "." else f"{relative}/"
            subfolders[:] = sorted(
                name for name in subfolders if _may_hold(f"{below}{name}/", prefix)
            )
            for name in sorted(names):
                if f"{below}{name}".startswith(prefix) and not name.startswith(_STAGED):
                    yield from self._describe(f"{below}{name}", Path(folder, name))

    def read(self, key: str) -> bytes:
        """Read a file; see `Store.read`."""
        try:
            return (self._root / key).read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read {self._root / key}: {error.strerror}") from None

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        """Read a file with its version; see `Store.fetch`. A file system has no deadline."""
        path = self._root / key
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hold the reader
            with os.fdopen(handle, "rb") as file:
                before = os.fstat(handle)
                if not stat.S_ISREG(before.st_mode):
                    raise StoreError(f"cannot read {path}: not a regular file")
                data = file.read(limits.max_bytes + 1)
                after = os.fstat(handle)
        except OSError as error:
            raise _unreadable(path, error) from None
        if len(data) > limits.max_bytes:
            size = max(len(data), after.st_size)
            raise FetchError(f"too large: {size} bytes, at most {limits.max_bytes} are read")
        if _etag(before) != _etag(after) or len(data) != after.st_size:
            raise StoreUnavailableError(f"{path} changed while it was read")
        return Fetched(data, _etag(after))

    def write(self, key: str, data: bytes) -> None:
        """Write a file beside its place, then rename it; see `Store.write`."""
        path = self._root / key
        staged = self._stage(path, data)
        try:
            os.replace(staged, path)
        except OSError as error:
            staged.unlink()
            raise StoreError(f"cannot write {path}: {error.strerror}") from None

    def write_new(self, key: str, data: bytes) -> None:
        """Write a file beside its place, then link it, which fails where one is there."""
        path = self._root / key
        staged = self._stage(path, data)
        try:
            os.link(staged, path)
        except FileExistsError:
            raise AlreadyExistsError(f"{path} exists") from None
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from None
        finally:
            staged.unlink()

    def delete(self, key: str) -> None:
        """Delete a file; see `Store.delete`."""
        try:
            (self._root / key).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot delete {self._root / key}: {error.strerror}") from None

    def delta_uri(self, key: str) -> str:
        """Absolute path of the folder."""
        return str(self._root / key)

    def delta_options(self) -> dict[str, str]:
        """None are needed."""
        return {}

    def _describe(self, key: str, path: Path) -> Iterator[ObjectInfo]:
        key = key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        try:
            status = path.stat()
        except OSError:
            if path.is_symlink():  # leads nowhere, or round in circles: reading it will tell
                yield ObjectInfo(key, "unreadable", 0, datetime.now(UTC))
            return  # deleted since the folder was read
        etag = _etag(status)
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        yield ObjectInfo(key, etag, status.st_size, modified)

    def _stage(self, path: Path, data: bytes) -> Path:
        staged = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_STAGED)
            staged = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            return staged
        except OSError as error:
            if staged is not None:
                staged.unlink()
            raise StoreError(f"cannot write {path}: {error.strerror}") from None


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _unreadable(path: Path, error: OSError) -> StoreError:
    """Say why a file cannot be read; only a file that is not there, or forbidden, is refused."""
    for_good = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
    kind = StoreError if for_good else StoreUnavailableError
    return kind(f"cannot read {path}: {error.strerror}")


def _refuse_unreadable(error: OSError) -> None:
    """Pass over a folder that is not there (any more), but never in silence over another."""
    if not isinstance(error, FileNotFoundError):
        raise StoreError(f"cannot list {error.filename}: {error.strerror}")


def _may_hold(folder: str, prefix: str) -> bool:
    """Tell whether keys below a folder can begin with a prefix."""
    return folder.startswith(prefix) or prefix.startswith(folder)


def _seen(folder: str, visited: set[tuple[int, int]]) -> bool:
    """Tell whether a folder was visited before, under whichever name, and note it."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in visited:
        return True
    visited.add(identity)
    return False
