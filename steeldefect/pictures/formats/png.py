"""Decode PNG to gray: check every checksum, and pass only the pixels' chunks to the decoder."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from steeldefect.pictures.formats.limits import (
    DecodeLimits,
    damaged,
    other_kind,
    several,
    too_costly,
)
from steeldefect.pictures.preprocessing import Gray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 100_000

_INTERLACE = 28  # offset in the file
_AT_ONCE = 2**20  # bytes that are unpacked in one step
_ADAM7 = (  # first column, first row, step across, step down of each pass
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_COLOUR_TYPES = {
    3: "palette colour",
    4: "gray with transparency",
    6: "colour with transparency",
}


class _Chunk(NamedTuple):
    """`data[begin:end]`, with length and checksum; the content is `data[begin + 8 : end - 4]`."""

    kind: bytes
    begin: int
    end: int


def decode(data: bytes, limits: DecodeLimits) -> Gray:
    """Decode a PNG file to gray.

    A colour key (tRNS) and a gamma value are ignored: samples are returned as stored. Bytes after
    the picture's end are ignored, unless another PNG begins there.

    Args:
        data: the whole file.
        limits: largest size that is decoded.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: the file is damaged, of another kind, holds more than one picture, is too
            large, or is too costly to decode.
    """
    chunks = list(_chunks(data))
    _check_header(data, chunks[0], limits)
    _check_single(data, chunks)
    image = PngImageFile(io.BytesIO(_pixels_alone(data, chunks)))
    pixels = np.asarray(image if image.mode == "L" else image.convert("L"))
    interlaced = data[_INTERLACE]
    if interlaced or not pixels[-1].any():  # Pillow leaves missing rows black
        _check_rows(data, chunks, _bytes_of_rows(*image.size, len(image.getbands()), interlaced))
    return pixels


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield all chunks up to the end of the picture, and check their checksums."""
    view = memoryview(data)
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + 12 > len(data):
            raise damaged("the PNG ends without its end chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise damaged("the PNG ends within a chunk")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise damaged(f"wrong checksum of PNG chunk {kind!r}")
        if not kind[0] & 32 and kind not in _CRITICAL:  # a small letter: may be skipped
            raise damaged(f"unknown PNG chunk {kind!r}")
        yield _Chunk(kind, at, end)
        if kind == b"IEND":
            return
        at = end
    raise too_costly(f"more than {MAX_CHUNKS} PNG chunks", f"{MAX_CHUNKS}")


def _check_header(data: bytes, header: _Chunk, limits: DecodeLimits) -> None:
    if header.kind != b"IHDR" or header.end - header.begin != 25:
        raise damaged("the PNG does not begin with its header")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, header.begin + 8)
    limits.check(width, height)
    if colour in _COLOUR_TYPES:
        raise other_kind(_COLOUR_TYPES[colour])
    if bits == 1:
        raise other_kind("1-bit black and white")
    if bits != 8:
        raise other_kind(f"{bits} bits a channel")


def _check_single(data: bytes, chunks: list[_Chunk]) -> None:
    kinds = [chunk.kind for chunk in chunks]
    if kinds.count(b"IHDR") > 1:
        raise damaged("a PNG with two headers")
    if b"acTL" in kinds:  # animated; its still picture is a frame only if fcTL precedes it
        control = chunks[kinds.index(b"acTL")]
        (frames,) = struct.unpack_from(">I", data, control.begin + 8)
        pixels = kinds.index(b"IDAT") if b"IDAT" in kinds else len(kinds)
        pictures = frames if b"fcTL" in kinds[:pixels] else frames + 1
        if pictures > 1:
            raise several(pictures, "frames")
    if data.startswith(SIGNATURE, chunks[-1].end):
        raise several(2, "pictures")


def _check_rows(data: bytes, chunks: list[_Chunk], needed: int) -> None:
    unpacker = zlib.decompressobj()
    found = 0
    for chunk in chunks:
        packed = data[chunk.begin + 8 : chunk.end - 4] if chunk.kind == b"IDAT" else b""
        while packed and found < needed:
            found += len(unpacker.decompress(packed, _AT_ONCE))
            packed = unpacker.unconsumed_tail
    if found < needed:
        raise damaged(f"the PNG has {found} bytes of rows, {needed} needed")


def _bytes_of_rows(width: int, height: int, channels: int, interlaced: int) -> int:
    """Return the number of bytes of the unpacked rows; each row begins with one filter byte."""
    sizes = [(width, height)]
    if interlaced:
        sizes = [
            (-(-(width - column) // across), -(-(height - row) // down))
            for column, row, across, down in _ADAM7
        ]
    return sum(rows * (1 + columns * channels) for columns, rows in sizes if columns > 0)


def _pixels_alone(data: bytes, chunks: list[_Chunk]) -> bytes:
    kept = (b"IHDR", b"IDAT", b"IEND")
    parts = [data[chunk.begin : chunk.end] for chunk in chunks if chunk.kind in kept]
    return b"".join([SIGNATURE, *parts])
