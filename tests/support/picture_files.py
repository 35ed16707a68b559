"""Encode pictures for tests, correct and unusual ones; by hand where no library writes them."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

HEIGHT, WIDTH = 64, 128

Pixels = npt.NDArray[np.uint8]
TiffTags = Mapping[int, tuple[int, Sequence[int] | bytes]]

XMP_TURNED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TIFF_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 16: "Q"}
_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def smooth(channels: int = 1, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Return a picture that compresses as strips do: gray values change in small steps."""
    rng = np.random.default_rng(3)
    steps = rng.integers(-3, 4, (height, width, channels))
    pixels = (128 + np.cumsum(steps, axis=1)).astype(np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


GRAY, RGB = smooth(), smooth(3)


def saved(pixels: npt.NDArray[Any], form: str, mode: str | None = None, **options: Any) -> bytes:
    """Return a picture that Pillow has encoded."""
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, form, **options)
    return buffer.getvalue()


def saved_all(pictures: Sequence[Pixels], form: str, **options: Any) -> bytes:
    """Return several pictures in one file that Pillow has encoded."""
    first, *others = [Image.fromarray(one) for one in pictures]
    buffer = io.BytesIO()
    first.save(buffer, form, save_all=True, append_images=others, **options)
    return buffer.getvalue()


def encoded(pixels: npt.NDArray[Any], extension: str) -> bytes:
    """Return a picture that OpenCV has encoded; its colours are blue, green, red."""
    done, data = cv2.imencode(extension, pixels)
    assert done
    return data.tobytes()


def by_pillow(data: bytes) -> Pixels:
    """Decode a picture to gray with Pillow."""
    image = Image.open(io.BytesIO(data))
    image.draft("L", None)
    return np.asarray(image.convert("L"))


# -- JPEG -----------------------------------------------------------------------------------------


def jpeg_scans(data: bytes) -> tuple[bytes, list[bytes]]:
    """Split a JPEG into its head and its scans, each with the tables before it."""
    head = data[: data.index(b"\xff\xc4")]
    scans, at = [], len(head)
    while data[at : at + 2] != b"\xff\xd9":
        end = at
        while data[end : end + 2] != b"\xff\xda":
            end = _behind(data, end)
        found = _SCAN.search(data, _behind(data, end))
        assert found
        scans.append(data[at : found.start()])
        at = found.start()
    return head, scans


def jpeg_of_many_scans(pixels: Pixels, scans: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    head, parts = jpeg_scans(saved(pixels, "JPEG", progressive=True))
    parts += parts[-1:] * (scans - len(parts))
    return head + b"".join(parts) + b"\xff\xd9"


def jpeg_says(data: bytes, width: int, height: int) -> bytes:
    """Return the same JPEG with another size in its frame."""
    at = re.search(rb"\xff[\xc0-\xc2]\x00[\x0b\x11]\x08", data)
    assert at
    return data[: at.end()] + struct.pack(">HH", height, width) + data[at.end() + 4 :]


def jpeg_of_planes(planes: Sequence[Pixels], sampling: int) -> bytes:
    """Return a colour JPEG with one scan per component, all with one sampling factor."""
    height, width = planes[0].shape
    grays = [saved(plane, "JPEG", quality=90) for plane in planes]
    tables = grays[0][: grays[0].index(b"\xff\xc0")]
    huffman = grays[0][grays[0].index(b"\xff\xc4") : grays[0].index(b"\xff\xda")]
    components = b"".join(bytes((number, sampling, 0)) for number in (1, 2, 3))
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HHB", height, width, 3) + components
    scans = [
        b"\xff\xda\x00\x08\x01"
        + bytes((number, 0, 0, 63, 0))
        + gray[gray.index(b"\xff\xda") + 10 :]
        for number, gray in zip((1, 2, 3), grays, strict=True)
    ]
    return tables + frame + huffman + b"".join(scan[:-2] for scan in scans) + b"\xff\xd9"


def _behind(data: bytes, at: int) -> int:
    return at + 2 + int.from_bytes(data[at + 2 : at + 4])


# -- PNG ------------------------------------------------------------------------------------------


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk with its checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_file(
    rows: npt.NDArray[Any], bits: int = 8, colour: int = 0, width: int = WIDTH, extra: bytes = b""
) -> bytes:
    """Return a PNG of these rows of bytes; the chunks `extra` stand before its pixels."""
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), extra, png_chunk(b"IDAT", zlib.compress(raw, 1))]
    return PNG_SIGNATURE + b"".join([*chunks, png_chunk(b"IEND", b"")])


# -- BMP ------------------------------------------------------------------------------------------


def bmp_file(
    data: bytes,
    palette: bytes = bytes(v for k in range(256) for v in (k, k, k, 0)),
    bits: int = 8,
    compression: int = 0,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> bytes:
    """Return a BMP with this pixel data, lowest row first."""
    offset = 14 + 40 + len(palette)
    sizes = struct.pack("<IHHI", offset + len(data), 0, 0, offset)
    colours = len(palette) // 4
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, colours, 0
    )
    return b"BM" + sizes + header + palette + data


def bmp_run_lengths(pixels: Pixels) -> bytes:
    """Return BMP run lengths of one pixel each, lowest row first."""
    rows = [b"".join(bytes((1, value)) for value in row.tolist()) for row in pixels[::-1]]
    return b"\0\0".join(rows) + b"\0\1"


# -- TIFF -----------------------------------------------------------------------------------------


def tiff_file(
    pieces: Sequence[bytes],
    tags: TiffTags | None = None,
    width: int = WIDTH,
    height: int = HEIGHT,
    big: bool = False,
    order: str = "<",
) -> bytes:
    """Return a TIFF of these strips, by default gray and uncompressed.

    With tag 322 the pieces are tiles. A tag with type 0 is left out.
    """
    tiled = tags is not None and 322 in tags
    counts = [len(piece) for piece in pieces]
    filled: dict[int, tuple[int, Sequence[int] | bytes]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8]),
        259: (3, [1]),
        262: (3, [1]),
        277: (3, [1]),
        324 if tiled else 273: (16 if big else 4, [0] * len(pieces)),
        325 if tiled else 279: (4, counts),
    }
    if not tiled:
        filled[278] = (4, [-(-height // len(pieces))])
    filled |= tags or {}
    filled = {tag: filled[tag] for tag in sorted(filled) if filled[tag][0]}
    pixels_at = len(_tiff_directory(filled, big, order))
    offsets = [pixels_at + sum(counts[:number]) for number in range(len(pieces))]
    place = 324 if tiled else 273
    if place not in (tags or {}):
        filled[place] = (filled[place][0], offsets)
    return _tiff_directory(filled, big, order) + b"".join(pieces)


def _tiff_directory(tags: TiffTags, big: bool, order: str) -> bytes:
    """Return header, directory and values: everything before the pixels."""
    wide, inline = ("Q", 8) if big else ("I", 4)
    head = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    head = (b"II" if order == "<" else b"MM") + head
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    values_at = len(head) + len(count) + (20 if big else 12) * len(tags) + inline
    entries, values = b"", b""
    for tag, (kind, content) in tags.items():
        raw = struct.pack(f"{order}{len(content)}{_TIFF_FORMS[kind]}", *content)
        value = raw.ljust(inline, b"\0")
        if len(raw) > inline:
            value = struct.pack(order + wide, values_at + len(values))
            values += raw + b"\0" * (len(raw) % 2)
        entries += struct.pack(order + "HH" + wide, tag, kind, len(content)) + value
    return head + count + entries + bytes(inline) + values
