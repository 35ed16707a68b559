"""Read and write the tags of a TIFF page.

Source: TIFF 6.0, section 2; BigTIFF differs in the widths of its numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.pictures.formats.limits import damaged, too_costly
from steeldefect.pictures.formats.tiff_tags import Tag

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_TAGS = 4_096
MAX_PAGES_COUNTED = 1_000

_BYTE, _SHORT, _LONG, _UNDEFINED, _LONG8 = 1, 3, 4, 7, 16
_WIDTHS = {_BYTE: "u1", _SHORT: "u2", _LONG: "u4", _UNDEFINED: "u1", _LONG8: "u8"}
_WIDE_TAGS = frozenset(
    {
        Tag.WIDTH,
        Tag.HEIGHT,
        Tag.ROWS_PER_STRIP,
        Tag.STRIP_OFFSETS,
        Tag.STRIP_BYTE_COUNTS,
        Tag.TILE_WIDTH,
        Tag.TILE_HEIGHT,
        Tag.TILE_OFFSETS,
        Tag.TILE_BYTE_COUNTS,
    }
)
_LARGEST = 2**61  # largest offset or number; sums stay within 64 bits


@dataclass(frozen=True)
class _Layout:
    """Byte order and widths of the numbers in the file's header and in a directory."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def head(self) -> int:
        return 8 if self.big else 4  # bytes before the first directory's offset


@dataclass(frozen=True)
class Directory:
    """Tags of a TIFF file's first page; `pages` counts the file's pages."""

    data: bytes
    layout: _Layout
    entries: dict[int, bytes]
    pages: int

    def number(self, tag: int, default: int | None = None) -> int:
        """Return a tag's only value.

        Raises:
            DecodeError: the tag is missing and has no default, or does not have exactly one value.
        """
        values = self.values(tag, None if default is None else (default,))
        if len(values) != 1:
            raise damaged(f"TIFF tag {tag} has {len(values)} values")
        return int(values[0])

    def values(self, tag: int, default: tuple[int, ...] | None = None) -> npt.NDArray[np.int64]:
        """Return all values of a tag.

        Raises:
            DecodeError: the tag is missing and has no default, or its values are not whole
                numbers, are too large, or lie outside the file.
        """
        if tag not in self.entries:
            if default is None:
                raise damaged(f"TIFF tag {tag} is missing")
            return np.asarray(default, np.int64)
        _, kind, count, inline = struct.unpack(self.layout.entry, self.entries[tag])
        if kind not in _WIDTHS:
            raise damaged(f"TIFF tag {tag} holds no whole numbers")
        form = np.dtype(self.layout.order + _WIDTHS[kind])
        values = np.frombuffer(self._field(tag, count * form.itemsize, inline), form)
        if values.size and int(values.max()) > _LARGEST:
            raise damaged(f"TIFF tag {tag} holds a number that is too large")
        return values.astype(np.int64)

    def _field(self, tag: int, size: int, inline: bytes) -> memoryview:
        if size <= len(inline):
            return memoryview(inline)[:size]
        (at,) = struct.unpack(self.layout.offset, inline)
        if at + size > len(self.data):
            raise damaged(f"the values of TIFF tag {tag} lie beyond the file's end")
        return memoryview(self.data)[at : at + size]


def read_directory(data: bytes) -> Directory:
    """Read the tags of the first page, and count the pages.

    Args:
        data: the whole file.

    Raises:
        DecodeError: the file has no TIFF header or is cut, a tag appears twice, or there are too
            many tags.
    """
    if data[:4] not in SIGNATURES:
        raise damaged("no TIFF header")
    layout = _Layout("<" if data[:2] == b"II" else ">", b"+" in data[:4])
    first = _number(data, layout.offset, layout.head)
    entries = _entries(data, layout, first)
    return Directory(data, layout, entries, _count_pages(data, layout, first))


def rewritten(data: bytes, tags: Mapping[int, npt.NDArray[np.int64]]) -> bytes:
    """Return a copy of a file with one page that has only these tags, as little-endian TIFF 6.0.

    The bytes of the pixels stay where they are; the new directory is appended. The byte order may
    differ from the file's own, because samples of 8 bits have no byte order.

    Args:
        data: the file; its first 8 bytes are replaced.
        tags: values of each tag.
    """
    at = len(data) + len(data) % 2
    entries, values = [], []
    for tag in sorted(tags):
        kind, form = (_LONG, "<u4") if tag in _WIDE_TAGS else (_SHORT, "<u2")
        raw = tags[tag].astype(form).tobytes()
        inline = raw.ljust(4, b"\0")
        if len(inline) > 4:
            inline = struct.pack("<I", at)
            values.append(raw + b"\0" * (len(raw) % 4))
            at += len(values[-1])
        entries.append(struct.pack("<HHI", tag, kind, len(tags[tag])) + inline)
    head, padding = b"II*\0" + struct.pack("<I", at), b"\0" * (len(data) % 2)
    directory = [struct.pack("<H", len(entries)), *entries, bytes(4)]
    return b"".join([head, memoryview(data)[len(head) :], padding, *values, *directory])


def _entries(data: bytes, layout: _Layout, at: int) -> dict[int, bytes]:
    count, begin, size = _place(data, layout, at)
    entries: dict[int, bytes] = {}
    for place in range(begin, begin + count * size, size):
        entry = data[place : place + size]
        (tag,) = struct.unpack_from(layout.order + "H", entry)
        if tag in entries:
            raise damaged(f"TIFF tag {tag} appears twice")
        entries[tag] = entry
    return entries


def _count_pages(data: bytes, layout: _Layout, at: int) -> int:
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MAX_PAGES_COUNTED:
        seen.add(at)
        count, begin, size = _place(data, layout, at)
        at = _number(data, layout.offset, begin + count * size)
    return len(seen)


def _place(data: bytes, layout: _Layout, at: int) -> tuple[int, int, int]:
    """Return a directory's number of entries, the offset of the first, and the bytes of each."""
    count = _number(data, layout.count, at)
    if count > MAX_TAGS:
        raise too_costly(f"{count} TIFF tags", f"{MAX_TAGS}")
    return count, at + struct.calcsize(layout.count), struct.calcsize(layout.entry)


def _number(data: bytes, form: str, at: int) -> int:
    if at + struct.calcsize(form) > len(data):
        raise damaged("a TIFF directory lies beyond the file's end")
    return int(struct.unpack_from(form, data, at)[0])
