"""What a store is: objects under one root, named by keys relative to it, with `/` between parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol


class ObjectInfo(NamedTuple):
    """One object of a listing.

    Attributes:
        key: path below the store's root.
        etag: changes whenever the contents do.
        size: in bytes.
        modified: with time zone UTC.
        regular: false for a pipe, a socket or a device, which has no contents to read.
    """

    key: str
    etag: str
    size: int
    modified: datetime
    regular: bool = True


class Fetched(NamedTuple):
    """A picture's bytes, and what the store says of them.

    Attributes:
        data: the whole object.
        etag: of the answer itself, which may be newer than the listing; empty where it has none.
        md5: hexadecimal digest that the store states for the bytes; None where it states none.
    """

    data: bytes
    etag: str
    md5: str | None = None


class FetchLimits(NamedTuple):
    """What one picture may cost: bytes, and seconds from the request to the last byte."""

    max_bytes: int
    seconds: float


class Store(Protocol):
    """A folder or an object-store prefix.

    All methods raise `StoreError` where the store refuses for good (missing, forbidden), and
    `StoreUnavailableError` where it does not answer after bounded retries.
    """

    uri: str

    def scan(
        self, prefix: str = "", enters: Callable[[str], bool] | None = None
    ) -> Iterator[ObjectInfo]:
        """List all objects whose key begins with `prefix`, at any depth; none is no error.

        Args:
            prefix: of the keys.
            enters: tells by a folder's key, which ends with `/`, whether the folder is wanted. The
                store saves the work of listing the others where it can.
        """
        ...

    def read(self, key: str) -> bytes:
        """Read a whole object."""
        ...

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        """Read a whole object with its version, within bounds.

        Raises:
            FetchError: it has more bytes than `limits` allow, whatever the listing said.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Write a whole object in one step; one that is there is replaced."""
        ...

    def write_new(self, key: str, data: bytes) -> None:
        """Write a whole object in one step, unless there is one.

        Raises:
            AlreadyExistsError: there is one; it is left as it was.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object; none is no error."""
        ...

    def delta_uri(self, key: str) -> str:
        """Address of the folder `key` as the Delta library takes it.

        Raises:
            SettingsError: that library would take any form of it for another folder.
        """
        ...

    def delta_options(self) -> dict[str, str]:
        """Options with which the Delta library reaches this store. Holds secrets: never log it."""
        ...
