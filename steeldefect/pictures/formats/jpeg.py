"""Decode JPEG to gray; a warning of the decoder counts as an error.

libjpeg decodes damaged data as far as it can, and only warns. Pillow and OpenCV hide its warnings;
simplejpeg reports them. A picture with a warning is refused.
"""

from __future__ import annotations

import io
import re
import struct

import numpy as np
import simplejpeg
from PIL.JpegImagePlugin import JpegImageFile

from steeldefect.errors import DecodeError
from steeldefect.pictures.formats.jpeg_structure import (
    APP0,
    APP2,
    APP14,
    Frame,
    Structure,
    check_frame,
    check_work,
    has_metadata,
    read_structure,
    without_metadata,
)
from steeldefect.pictures.formats.limits import DecodeLimits, damaged, several
from steeldefect.pictures.formats.tiff_directory import read_directory
from steeldefect.pictures.preprocessing import Gray

SIGNATURE = b"\xff\xd8\xff"

_COLOUR_SPACE = frozenset({APP0, APP14})  # JFIF's and Adobe's segments
_ANOTHER_PICTURE = re.compile(rb"\x00*\xff\xd8\xff")
_PICTURES_INDEX = b"MPF\0"  # CIPA DC-007, "Multi-Picture Format"
_NUMBER_OF_IMAGES = 0xB001
_OUT_OF_MEMORY = re.compile(r"Insufficient memory|Memory allocation failure")
_UNUSUAL_SAMPLING = "subsampling level"


def decode(data: bytes, limits: DecodeLimits) -> Gray:
    """Decode a JPEG file to gray.

    For colour, the result is the stored luminance component; if the file stores RGB, luminance is
    computed by ITU-R BT.601. Bytes after the picture's end are ignored, unless another JPEG begins
    there.

    Args:
        data: the whole file.
        limits: largest size and work.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: the file is damaged, of another kind, holds more than one picture, is too
            large, or is too costly to decode.
        MemoryError: the host has too little memory.
    """
    structure = read_structure(data)
    check_frame(structure.frame, limits)
    check_work([structure], limits)
    _check_single(data, structure)
    if has_metadata(structure.segments, _COLOUR_SPACE):
        data = SIGNATURE[:2] + without_metadata(data, structure.segments, _COLOUR_SPACE)
    return decode_stream(data, structure.frame)


def decode_stream(data: bytes, frame: Frame) -> Gray:
    """Decode one complete JPEG stream whose structure was checked.

    Args:
        data: the stream, without metadata that may be broken.
        frame: the frame that `read_structure` found.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: the decoder failed, or warned.
        MemoryError: the host has too little memory.
    """
    try:
        pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    except ValueError as error:
        problem = str(error)
        if _OUT_OF_MEMORY.search(problem):
            raise MemoryError(problem) from None
        if _UNUSUAL_SAMPLING not in problem:
            raise damaged(problem) from None
        return _decode_unusual_sampling(data)
    if pixels.shape[:2] != (frame.height, frame.width):
        raise damaged("a JPEG with two frames")
    return np.asarray(pixels, np.uint8).reshape(frame.height, frame.width)


def _decode_unusual_sampling(data: bytes) -> Gray:
    """Decode a sampling that simplejpeg does not support, such as 4:1:0; Pillow hides warnings."""
    image = JpegImageFile(io.BytesIO(data))
    image.draft("L", None)
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def _check_single(data: bytes, structure: Structure) -> None:
    for segment in structure.segments:
        if segment.marker == APP2 and data.startswith(_PICTURES_INDEX, segment.content):
            count = _number_of_pictures(data[segment.content + 4 : segment.end])
            if count > 1:
                raise several(count, "pictures")
    if _ANOTHER_PICTURE.match(data, structure.end):
        raise several(2, "pictures")


def _number_of_pictures(index: bytes) -> int:
    """Return the number of pictures in a multi-picture index; 1 if the index cannot be read."""
    try:
        return read_directory(index).number(_NUMBER_OF_IMAGES, 1)
    except (DecodeError, struct.error):
        return 1
