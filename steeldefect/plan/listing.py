"""The pictures under an input: listed, or read from an inventory.

Both give one Arrow table with the columns key, etag, size, so that a million keys cost megabytes.
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

LISTING = pa.schema([("key", pa.string()), ("etag", pa.string()), ("size", pa.int64())])

_CHUNK = 10_000
_LOG = logging.getLogger(__name__)


@dataclass
class _PassedOver:
    """Keys that were passed over: how many, and one of them."""

    count: int = 0
    example: str = ""

    def add(self, key: str) -> None:
        self.count += 1
        self.example = self.example or key


class PictureFilter:
    """Tells pictures from what else lies in an archive, and counts what it passes over."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Take patterns of names, in any case: `include` of files, `exclude` of folders as well."""
        self._include = _matcher(include)
        self._exclude = _matcher(exclude)
        self._last: tuple[str, str | None] = ("", None)  # a folder, and the hidden one around it
        self._folders: set[str] = set()  # hidden ones, without those inside them
        self._files = _PassedOver()
        self._irregular = _PassedOver()

    def enters(self, folder: str) -> bool:
        """Tell whether a folder (`line 1/2026/`) is looked into."""
        hidden = self._hidden_around(folder)
        if hidden is not None:
            self._folders.add(hidden)
        return hidden is None

    def takes(self, key: str) -> bool:
        """Tell whether a key is a picture's."""
        folder, slash, name = key.rpartition("/")
        if not self._include(name) or not self.enters(folder + slash):
            return False
        hidden = self._exclude(name)
        if hidden:
            self._files.add(key)
        return not hidden

    def takes_object(self, found: ObjectInfo) -> bool:
        """Tell whether an object of a listing is a picture; a pipe, socket or device is none."""
        if not self.takes(found.key):
            return False
        if not found.regular:
            self._irregular.add(found.key)
        return found.regular

    def report(self, where: str) -> None:
        """Log what was passed over, if anything.

        Args:
            where: the input.
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
        """Find the outermost hidden folder that a folder is or lies in."""
        if folder != self._last[0]:  # keys come folder by folder
            parts = folder.split("/")[:-1]
            depths = (depth for depth, name in enumerate(parts, 1) if self._exclude(name))
            depth = next(depths, None)
            self._last = (folder, None if depth is None else "/".join([*parts[:depth], ""]))
        return self._last[1]


def list_pictures(
    store: Store, include: Sequence[str], exclude: Sequence[str] = HIDDEN
) -> pa.Table:
    """List the pictures under an input, and log how much was passed over.

    Args:
        store: the input.
        include: patterns of file names (`*.jpg`), in any case.
        exclude: patterns of names of files and folders that are passed over, in any case.

    Raises:
        EmptyInputError: there is none.
        StoreError: the store refused or does not answer.
    """
    wanted = PictureFilter(include, exclude)
    found = filter(wanted.takes_object, store.scan(enters=wanted.enters))
    listed = pa.concat_tables([LISTING.empty_table(), *_chunks(found)])
    wanted.report(store.uri)
    return not_empty(listed, store, include)


def not_empty(pictures: pa.Table, store: Store, include: Sequence[str]) -> pa.Table:
    """Give the pictures back.

    Raises:
        EmptyInputError: there is none.
    """
    if pictures.num_rows:
        return pictures
    raise EmptyInputError(
        f"no picture under {store.uri} (looked for {', '.join(include)}, at any depth); check "
        "--input, or set include"
    )


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Make a test of names: whether one fits a pattern, in any case."""
    if not patterns:
        return lambda name: False
    fits = re.compile("|".join(fnmatch.translate(one.lower()) for one in patterns)).match
    return lambda name: fits(name.lower()) is not None


def _chunks(found: Iterable[ObjectInfo]) -> Iterator[pa.Table]:
    pictures = iter(found)
    while chunk := list(islice(pictures, _CHUNK)):
        yield pa.table(
            [[p.key for p in chunk], [p.etag for p in chunk], [p.size for p in chunk]],
            schema=LISTING,
        )
