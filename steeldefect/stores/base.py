"""The interface of a store: objects below one root, named by keys with `/` between their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol


class ObjectInfo(NamedTuple):
    """One object of a listing.

    Attributes:
        key: path below the store's root.
        etag: version of the contents; it changes whenever they change.
        size: size in bytes.
        modified: time of the last change, with time zone UTC.
        regular: false for a pipe, a socket or a device, which has no contents to read.
    """

    key: str
    etag: str
    size: int
    modified: datetime
    regular: bool = True


class Fetched(NamedTuple):
    """The bytes of a picture, with their version.

    Attributes:
        data: the whole object.
        etag: version of these bytes, which may be newer than the listing; empty if the store states
            none.
        md5: hexadecimal MD5 of the bytes as the store states it; None if it states none.
    """

    data: bytes
    etag: str
    md5: str | None = None


class FetchLimits(NamedTuple):
    """Limits of fetching one picture: its bytes, and seconds from the request to the last byte."""

    max_bytes: int
    seconds: float


class Store(Protocol):
    """A folder or an object-store prefix.

    All methods raise `StoreError` if the store refuses a request for good (the object is missing or
    forbidden), and `StoreUnavailableError` if it does not answer after a few retries.
    """

    uri: str

    def scan(
        self, prefix: str = "", enters: Callable[[str], bool] | None = None
    ) -> Iterator[ObjectInfo]:
        """Yield all objects whose key begins with `prefix`, at any depth.

        Args:
            prefix: first characters of the keys.
            enters: returns whether a folder is wanted, by its key, which ends with `/`. The store
                may list objects of other folders as well, but avoids that work if it can.
        """
        ...

    def read(self, key: str) -> bytes:
        """Read a whole object."""
        ...

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield a whole object in pieces of at most `size` bytes; it may be larger than memory."""
        ...

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        """Read a whole object with its version, within limits.

        Raises:
            FetchError: the object has more bytes than `limits` allow, even if the listing stated
                fewer.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Write a whole object in one step; replace an existing object."""
        ...

    def write_new(self, key: str, data: bytes) -> None:
        """Write a whole object in one step, if no object has this key.

        Raises:
            AlreadyExistsError: an object has this key; it is left unchanged.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object; a missing object is not an error."""
        ...

    def delta_uri(self, key: str) -> str:
        """Return the address of the folder `key` in the form that the Delta library expects.

        Raises:
            SettingsError: the Delta library would open another folder for this address.
        """
        ...

    def delta_options(self) -> dict[str, str]:
        """Return the Delta library's options for this store. They hold secrets: never log them."""
        ...
