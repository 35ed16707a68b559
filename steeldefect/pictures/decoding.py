"""Decode picture files to 8-bit gray, strictly.

A file must hold one whole picture, 8-bit gray or RGB. Any other file is refused, and the error
says why. The structure is checked before the pixels, so that refusing a picture of
20,000 x 20,000 pixels costs microseconds and no memory. `steeldefect.pictures.formats` has a
module for each file format.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from PIL import Image

from steeldefect.errors import DecodeError
from steeldefect.pictures.formats import bmp, jpeg, png, tiff
from steeldefect.pictures.formats.limits import DecodeLimits, damaged
from steeldefect.pictures.formats.tiff_directory import SIGNATURES as TIFF_SIGNATURES
from steeldefect.pictures.preprocessing import Gray

__all__ = ["DecodeLimits", "decode_gray"]

_DECODERS: tuple[tuple[bytes, Callable[[bytes, DecodeLimits], Gray]], ...] = (
    (jpeg.SIGNATURE, jpeg.decode),
    (png.SIGNATURE, png.decode),
    (bmp.SIGNATURE, bmp.decode),
    *((signature, tiff.decode) for signature in TIFF_SIGNATURES),
)
_OUT_OF_MEMORY = ("out of memory", "decoder error -9")  # in Pillow's words

Image.MAX_IMAGE_PIXELS = None  # `DecodeLimits` is checked instead, in each call


def decode_gray(data: bytes, limits: DecodeLimits) -> Gray:
    """Decode a picture file to gray, with its pixels in the order in which they are stored.

    Colour becomes luminance (ITU-R BT.601, which JPEG itself uses). An orientation in EXIF, XMP or
    a TIFF tag is ignored, because run lengths number the pixels as they are stored.

    Args:
        data: the whole file.
        limits: largest size and work; a picture above them is refused before it is decoded.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: the file is empty, not a picture, truncated or corrupt, not 8-bit gray or RGB,
            holds more than one picture, or exceeds the limits.
        MemoryError: this host has too little memory; the picture may be sound.
        OSError: the operating system failed; the picture may be sound.
    """
    if not data:
        raise DecodeError("empty file: 0 bytes")
    decode = next((one for signature, one in _DECODERS if data.startswith(signature)), None)
    if decode is None:
        raise DecodeError(f"not a JPEG, PNG, BMP or TIFF; begins with {data[:8]!r}")
    try:
        return decode(data, limits)
    except (DecodeError, MemoryError):
        raise
    except OSError as error:
        if error.errno == errno.ENOMEM or any(text in str(error) for text in _OUT_OF_MEMORY):
            raise MemoryError(str(error)) from None
        if error.errno is not None:
            raise
        raise damaged(_one_line(error)) from None
    except Exception as error:  # only the bytes can make a decoder fail
        raise damaged(_one_line(error)) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
