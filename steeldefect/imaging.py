"""Bytes to pixels, strictly: what is not a whole 8-bit gray or RGB picture is refused by name.

The header is read first, so that a picture of 20,000 x 20,000 pixels costs microseconds and no
memory. Decoding is Pillow's, which refuses truncated files and decodes a JPEG straight to gray.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from steeldefect.errors import DecodeError
from steeldefect.preprocessing import Gray

_MODES = frozenset({"L", "RGB"})
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
_PNG_BIT_DEPTH = 24  # offset in the file
_TIFF_BITS_PER_SAMPLE, _TIFF_ORIENTATION = 258, 274  # tags
_TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_KNOWN_MODES = {
    "1": "1-bit black and white",
    "P": "palette colour",
    "CMYK": "CMYK colour",
    "LA": "gray with transparency",
    "RGBA": "colour with transparency",
    "I": "32-bit gray",
    "F": "floating-point gray",
}

Image.MAX_IMAGE_PIXELS = None  # `DecodeLimits` says it instead, per call


@dataclass(frozen=True)
class DecodeLimits:
    """The largest picture that is decoded, in pixels (height times width)."""

    max_pixels: int


def decode_gray(data: bytes, limits: DecodeLimits) -> Gray:
    """Decode an encoded picture to gray.

    Colour is turned to luminance (ITU-R BT.601, as JPEG itself has it). An orientation noted in
    EXIF is ignored, because run lengths number the pixels as they are stored.

    Args:
        data: the whole file.
        limits: pictures with more pixels are refused before they are decoded.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: empty, not a picture, truncated or corrupt, of a kind that is not 8-bit gray
            or RGB, or larger than the limit.
    """
    if not data:
        raise DecodeError("empty file: 0 bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        _check_header(image, data, limits)
        if image.format == "PNG":  # Pillow decodes without a look at the checksums
            Image.open(io.BytesIO(data), formats=("PNG",)).verify()
        image.draft("L", None)
        stored = _as_stored(image)
        return np.asarray(stored if stored.mode == "L" else stored.convert("L"))
    except UnidentifiedImageError:
        raise DecodeError(f"not a JPEG, PNG, BMP or TIFF; begins with {data[:8]!r}") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DecodeError(f"corrupt or truncated: {error}") from None


def _check_header(image: Image.Image, data: bytes, limits: DecodeLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise DecodeError(
            f"too large: {width}x{height} pixels, at most {limits.max_pixels} are decoded"
        )
    if _bits_a_channel(image, data) == 16:
        raise DecodeError("not 8-bit gray or RGB: 16 bits a channel")
    if image.mode not in _MODES:
        kind = "16-bit gray" if image.mode.startswith("I;16") else _KNOWN_MODES.get(image.mode)
        raise DecodeError(f"not 8-bit gray or RGB: {kind or 'mode ' + image.mode}")


def _as_stored(image: Image.Image) -> Image.Image:
    """Decode; a TIFF, and nothing else, Pillow turns as its orientation tag says: turn it back."""
    if not isinstance(image, TiffImageFile):
        return image
    turn = _TURN_BACK.get(image.tag_v2.get(_TIFF_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _bits_a_channel(image: Image.Image, data: bytes) -> int:
    """Read what the mode does not tell: Pillow drops the lower half of 16-bit RGB in silence."""
    if image.format == "PNG":
        return data[_PNG_BIT_DEPTH]
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (8,))))
    return 8
