"""Walk a folder and its links: each file once, and real folders before links to them."""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterator

Entry = os.DirEntry[bytes]


class Walk:
    """The files below a folder, folder by folder, sorted by name within a folder.

    A link to a folder is followed after all real folders, and only if its target was not reached
    yet. A link `current` beside `line1` therefore does not rename the pictures of `line1`, and a
    link to a folder above itself is not followed.
    """

    def __init__(self, root: bytes, enters: Callable[[bytes], bool]) -> None:
        """Set the folder; nothing is read yet.

        Args:
            root: path of the folder.
            enters: returns whether to enter a folder, by its path below the root.
        """
        self._root = root
        self._enters = enters
        self._reached: set[bytes] = set()
        self._links: list[tuple[list[bytes], bytes, bytes]] = []

    def files(self, start: bytes) -> Iterator[tuple[bytes, Entry]]:
        """Yield everything that is not a folder: its path below the root, and its entry.

        Args:
            start: folder below the root to begin in; empty for the root.

        Raises:
            OSError: a folder cannot be read. A missing folder counts as empty.
        """
        yield from self._below(start, os.path.realpath(os.path.join(self._root, start)))
        while self._links:
            _, folder, real = heapq.heappop(self._links)
            yield from self._below(folder, real)

    def _below(self, folder: bytes, real: bytes) -> Iterator[tuple[bytes, Entry]]:
        """Yield the files of a folder that lies at `real`, and below; keep its links for later."""
        waiting = [(folder, real)]
        while waiting:
            folder, real = waiting.pop()
            if real in self._reached:
                continue
            self._reached.add(real)
            subfolders = []
            for entry in self._entries(folder):
                path = os.path.join(folder, entry.name)
                if not _is_folder(entry):
                    yield path, entry
                elif not self._enters(path):
                    continue
                elif entry.is_symlink():
                    link = (path.split(b"/"), path, os.path.realpath(entry.path))
                    heapq.heappush(self._links, link)
                else:
                    subfolders.append((path, os.path.join(real, entry.name)))
            waiting.extend(reversed(subfolders))

    def _entries(self, folder: bytes) -> list[Entry]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []


def _is_folder(entry: Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG):
            return False  # a link that is circular, too long, or leads where access is denied
        raise
