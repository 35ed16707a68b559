"""List the pictures under an input, and filter keys by name.

A listing is a stream of Arrow tables with the columns key, etag, size, place, so that its length
does not matter. `steeldefect.plan.inventory` reads the same from an inventory.
"""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from steeldefect.errors import EmptyInputError
from steeldefect.settings import HIDDEN
from steeldefect.stores import ObjectInfo, Store

LISTING = pa.schema(
    [("key", pa.string()), ("etag", pa.string()), ("size", pa.int64()), ("place", pa.string())]
)
"""Columns of a listing; `place` is what an inventory states (`stated_place`), null in others."""

_CHUNK = 10_000
_LOG = logging.getLogger(__name__)


@dataclass
class _PassedOver:
    """The number of keys that were passed over, and the first of these keys."""

    count: int = 0
    example: str = ""

    def add(self, key: str) -> None:
        self.count += 1
        self.example = self.example or key


class PictureFilter:
    """A filter that accepts the pictures of an archive, and counts what it passes over.

    Attributes:
        include: patterns of the file names of pictures.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Compile the patterns of names; upper and lower case are equal.

        Args:
            include: patterns of the file names of pictures.
            exclude: patterns of the names of files and folders that are passed over.
        """
        self.include = tuple(include)
        self._include = _matcher(include)
        self._exclude = _matcher(exclude)
        self._last: tuple[str, str | None] = ("", None)  # last folder, its outermost hidden folder
        self._entered: str | None = None  # last folder of a key, without the slash, if not hidden
        self._folders: set[str] = set()  # hidden folders, without those inside them
        self._files = _PassedOver()
        self._irregular = _PassedOver()

    def enters(self, folder: str) -> bool:
        """Return whether a folder (`line 1/2026/`) is searched."""
        hidden = self._hidden_around(folder)
        if hidden is not None:
            self._folders.add(hidden)
        return hidden is None

    def takes(self, key: str) -> bool:
        """Return whether a key is the key of a picture."""
        folder, slash, name = key.rpartition("/")
        small = name.lower()
        if not self._include(small):
            return False
        if folder != self._entered:  # keys come folder by folder, and there may be ten millions
            if not self.enters(folder + slash):
                return False
            self._entered = folder
        if not self._exclude(small):
            return True
        self._files.add(key)
        return False

    def takes_object(self, found: ObjectInfo) -> bool:
        """Return whether an object of a listing is a picture; pipes, sockets, devices are not."""
        if not self.takes(found.key):
            return False
        if not found.regular:
            self._irregular.add(found.key)
        return found.regular

    def report(self, where: str) -> None:
        """Log how many keys were passed over, if any.

        Args:
            where: address of the input.
        """
        files, folders = self._files.count, len(self._folders)
        if files or folders:
            example = self._files.example or min(self._folders)
            _LOG.warning(
                f"passed over {files} hidden files and {folders} hidden folders under {where}, "
                f"such as {example}; --set exclude=[] scores them as well"
            )
        if self._irregular.count:
            _LOG.warning(
                f"passed over {self._irregular.count} pipes, sockets or devices under {where}, "
                f"such as {self._irregular.example}"
            )

    def _hidden_around(self, folder: str) -> str | None:
        """Return the outermost hidden folder among a folder and its parents; None if none is."""
        if folder != self._last[0]:  # keys come folder by folder, so the last answer often fits
            parts = folder.split("/")[:-1]
            depths = (depth for depth, name in enumerate(parts, 1) if self._exclude(name.lower()))
            depth = next(depths, None)
            self._last = (folder, None if depth is None else "/".join([*parts[:depth], ""]))
        return self._last[1]


def scan_pictures(
    store: Store, include: Sequence[str], exclude: Sequence[str] = HIDDEN
) -> Iterator[pa.Table]:
    """List the pictures under an input, some at a time, and log how much was passed over.

    Args:
        store: the input.
        include: patterns of the file names of pictures (`*.jpg`), in any case.
        exclude: patterns of the names of files and folders that are passed over, in any case.

    Yields:
        Columns of `LISTING`; `place` is null.

    Raises:
        EmptyInputError: there is no picture under the input.
        StoreError: the store refused, or does not answer.
    """
    wanted = PictureFilter(include, exclude)
    found = filter(wanted.takes_object, store.scan(enters=wanted.enters))
    yield from not_empty(_chunks(found), wanted, store)


def list_pictures(
    store: Store, include: Sequence[str], exclude: Sequence[str] = HIDDEN
) -> pa.Table:
    """List all pictures under an input as one table; see `scan_pictures`."""
    return pa.concat_tables(scan_pictures(store, include, exclude))


def not_empty(
    pictures: Iterable[pa.Table], wanted: PictureFilter, store: Store
) -> Iterator[pa.Table]:
    """Yield the pictures unchanged, then log how much was passed over.

    Raises:
        EmptyInputError: there is no picture.
    """
    count = 0
    for some in pictures:
        count += some.num_rows
        yield some
    wanted.report(store.uri)
    if count == 0:
        raise EmptyInputError(
            f"no picture under {store.uri} (looked for {', '.join(wanted.include)}, at any depth); "
            "check --input, or set include"
        )


def _matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    """Return a function that returns whether a name in small letters matches one of the patterns.

    It is called for each key of a listing, so it is the method of the compiled pattern itself.
    """
    if not patterns:
        return lambda name: None
    return re.compile("|".join(fnmatch.translate(one.lower()) for one in patterns)).match


def _chunks(found: Iterable[ObjectInfo]) -> Iterator[pa.Table]:
    pictures = iter(found)
    while chunk := list(islice(pictures, _CHUNK)):
        yield pa.table(
            [
                [p.key for p in chunk],
                [p.etag for p in chunk],
                [p.size for p in chunk],
                pa.nulls(len(chunk), pa.string()),
            ],
            schema=LISTING,
        )
