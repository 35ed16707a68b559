"""Decode BMP to gray. A gray BMP always has a palette; any palette of only grays is accepted."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from steeldefect.pictures.formats.limits import DecodeLimits, damaged, other_kind, too_costly
from steeldefect.pictures.preprocessing import Gray

SIGNATURE = b"BM"
MAX_RUN_LENGTH_BYTES = 4 * 2**20
"""Largest run-length compressed file; Pillow decodes about 2 bytes a microsecond, in Python."""

_RUN_LENGTHS = 1  # number of this compression
_KINDS = {"1": "1-bit black and white", "P": "palette colour", "RGBA": "colour with transparency"}


def decode(data: bytes, limits: DecodeLimits) -> Gray:
    """Decode a BMP file to gray.

    These kinds are decoded: 8 bits a pixel with a palette of grays, also run-length compressed;
    24 bits a pixel; 32 bits a pixel whose fourth byte is reserved.

    Args:
        data: the whole file.
        limits: largest size that is decoded.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: the file is damaged, of another kind, too large, or too costly to decode.
    """
    image = BmpImageFile(io.BytesIO(data))
    limits.check(*image.size)
    _check_header(data, image)
    if image.mode == "P":
        return _through_palette(image)
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def _check_header(data: bytes, image: BmpImageFile) -> None:
    (header_size,) = struct.unpack_from("<I", data, 14)
    (bits,) = struct.unpack_from("<H", data, 24 if header_size == 12 else 28)
    if bits == 1:
        raise other_kind(_KINDS["1"])
    if bits == 16:
        raise other_kind("5 or 6 bits a channel")
    if bits not in (8, 24, 32):
        raise other_kind(f"{bits} bits a pixel")
    if image.mode not in ("L", "RGB", "P"):
        raise other_kind(_KINDS.get(image.mode, f"mode {image.mode}"))
    if image.info["compression"] == _RUN_LENGTHS and len(data) > MAX_RUN_LENGTH_BYTES:
        raise too_costly(f"{len(data)} bytes of BMP run lengths", f"{MAX_RUN_LENGTH_BYTES}")


def _through_palette(image: BmpImageFile) -> Gray:
    colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if (colours != colours[:, :1]).any():
        raise other_kind(_KINDS["P"])
    places = np.asarray(image)
    if int(places.max()) >= len(colours):
        raise damaged(f"a pixel has colour {places.max()}, the palette has {len(colours)}")
    return np.take(colours[:, 0], places)
