"""Decode TIFF to gray, as stored: no tag rotates the picture, and tags about samples are checked.

Pillow decodes compressed samples other than JPEG. It gets a copy of the file that has only the tags
about how and where samples are stored, because it would rotate a picture by tag 274 or by XMP.
"""

from __future__ import annotations

import ctypes
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from steeldefect.pictures.formats import tiff_jpeg, tiff_raw
from steeldefect.pictures.formats.limits import DecodeLimits, damaged, other_kind, several
from steeldefect.pictures.formats.tiff_directory import Directory, read_directory, rewritten
from steeldefect.pictures.formats.tiff_pieces import Pieces, read_pieces
from steeldefect.pictures.formats.tiff_tags import Compression, Photometric, Tag
from steeldefect.pictures.preprocessing import Gray

_THUMBNAIL, _MASK = 1, 4  # bits of tag 254
_OLD_THUMBNAIL = 2  # value of tag 255
_REVERSED = 2  # value of tag 266
_TOGETHER, _SEPARATE = 1, 2  # values of tag 284
_PREDICTORS = (1, 2)  # values of tag 317 for whole numbers
_SAMPLES = {
    Photometric.WHITE_IS_ZERO: 1,
    Photometric.BLACK_IS_ZERO: 1,
    Photometric.RGB: 3,
    Photometric.YCBCR: 3,
}
_OTHER_COLOURS = {
    Photometric.PALETTE: "palette colour",
    Photometric.CMYK: "CMYK colour",
    8: "CIE L*a*b* colour",
}
_OTHER_FORMATS = {2: "signed samples", 3: "floating-point gray"}
_OTHER_COMPRESSIONS = {
    2: "CCITT",
    3: "CCITT group 3",
    4: "CCITT group 4",
    6: "old-style JPEG",
    50001: "WebP",
}


@dataclass(frozen=True)
class _Storage:
    """How the samples of a page are stored."""

    photometric: Photometric
    compression: Compression
    planes: int
    predictor: int

    @property
    def samples(self) -> int:
        """Return the number of samples of a pixel."""
        return _SAMPLES[self.photometric]

    def tags(self) -> dict[int, list[int]]:
        """Return the tags that describe this storage to a decoder."""
        return {
            Tag.BITS_PER_SAMPLE: [8] * self.samples,
            Tag.COMPRESSION: [self.compression],
            Tag.PHOTOMETRIC: [self.photometric],
            Tag.SAMPLES_PER_PIXEL: [self.samples],
            Tag.PLANAR_CONFIGURATION: [_TOGETHER if self.planes == 1 else _SEPARATE],
            Tag.PREDICTOR: [self.predictor],
        }


def decode(data: bytes, limits: DecodeLimits) -> Gray:
    """Decode a TIFF file of one page to gray.

    These are decoded: unsigned samples of 8 bits, gray or RGB, uncompressed or compressed by LZW,
    Deflate, LZMA, Zstandard, PackBits or JPEG. These are refused, each with its own error: signed
    and other samples, a reversed order of bits (tag 266), more samples a pixel than colours, and a
    page that is marked as a thumbnail or a mask.

    Args:
        data: the whole file.
        limits: largest size and work.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: the file is damaged, of another kind, has more than one page, is too large, or
            is too costly to decode.
        MemoryError: the host has too little memory.
    """
    directory = read_directory(data)
    if directory.pages > 1:
        raise several(directory.pages, "pages")
    width, height = directory.number(Tag.WIDTH), directory.number(Tag.HEIGHT)
    limits.check(width, height)
    storage = _read_storage(directory)
    pieces = read_pieces(directory, width, height)
    pieces.check(storage.planes, len(data), limits)
    if storage.compression == Compression.JPEG:
        return tiff_jpeg.decode_pieces(directory, pieces, storage.photometric, limits)
    if storage.compression == Compression.NONE:
        pieces.check_uncompressed(storage.samples // storage.planes)
        return tiff_raw.decode_pieces(data, pieces, storage.photometric, storage.planes)
    return _decode_by_pillow(data, storage, pieces)


def _decode_by_pillow(data: bytes, storage: _Storage, pieces: Pieces) -> Gray:
    tags = {tag: np.asarray(values, np.int64) for tag, values in storage.tags().items()}
    image = TiffImageFile(io.BytesIO(rewritten(data, tags | pieces.tags())))
    if image.mode not in ("L", "RGB"):
        raise other_kind(f"mode {image.mode}")
    _silence_libtiff()
    return np.asarray(image if image.mode == "L" else image.convert("L"))


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from writing errors to the standard error of this process.

    Those lines do not name the file, and Pillow raises an error anyway. Pillow has no setting to
    stop them. If its libtiff cannot be reached, the lines are still written: that is no reason to
    refuse a picture.
    """
    with suppress(OSError):
        loaded = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
        for path in set(re.findall(r"/.*/libtiff[^/]*\.so.*", loaded)):
            with suppress(OSError, AttributeError):
                ctypes.CDLL(path).TIFFSetErrorHandler(None)


def _read_storage(directory: Directory) -> _Storage:
    _check_purpose(directory)
    photometric = _read_photometric(directory)
    _check_samples(directory, photometric)
    compression = directory.number(Tag.COMPRESSION, Compression.NONE)
    if compression not in set(Compression):
        name = _OTHER_COMPRESSIONS.get(compression, f"number {compression}")
        raise other_kind(f"TIFF compression {name}")
    if photometric == Photometric.YCBCR and compression != Compression.JPEG:
        raise other_kind("YCbCr colour without JPEG compression")
    planar = directory.number(Tag.PLANAR_CONFIGURATION, _TOGETHER)
    predictor = directory.number(Tag.PREDICTOR, 1)
    if planar not in (_TOGETHER, _SEPARATE) or predictor not in _PREDICTORS:
        raise damaged(f"TIFF planar configuration {planar} with predictor {predictor}")
    planes = _SAMPLES[photometric] if planar == _SEPARATE else 1
    if planes > 1 and compression == Compression.JPEG:
        raise other_kind("JPEG compression of separate colour planes")
    return _Storage(photometric, Compression(compression), planes, predictor)


def _check_purpose(directory: Directory) -> None:
    purpose = directory.number(Tag.NEW_SUBFILE_TYPE, 0)
    if purpose & _THUMBNAIL or directory.number(Tag.SUBFILE_TYPE, 1) == _OLD_THUMBNAIL:
        raise other_kind("the only page is marked as a thumbnail of another picture")
    if purpose & _MASK:
        raise other_kind("the only page is marked as a transparency mask")


def _read_photometric(directory: Directory) -> Photometric:
    number = directory.number(Tag.PHOTOMETRIC)
    if number not in set(_SAMPLES):
        raise other_kind(_OTHER_COLOURS.get(number, f"TIFF photometric interpretation {number}"))
    return Photometric(number)


def _check_samples(directory: Directory, photometric: Photometric) -> None:
    bits = directory.values(Tag.BITS_PER_SAMPLE, (1,))
    formats = directory.values(Tag.SAMPLE_FORMAT, (1,))
    samples = directory.number(Tag.SAMPLES_PER_PIXEL, 1)
    if not len(bits) or not len(formats):
        raise damaged("TIFF samples without a number of bits or a format")
    for number in formats[formats != 1].tolist():
        raise other_kind(_OTHER_FORMATS.get(number, f"TIFF sample format {number}"))
    if (bits == 1).all() and samples == 1:
        raise other_kind("1-bit black and white")
    if (bits != 8).any():
        raise other_kind(f"{bits.max()} bits a channel")
    if directory.number(Tag.FILL_ORDER, 1) == _REVERSED:
        raise other_kind("the bits of a byte in reversed order (TIFF fill order 2)")
    if samples != _SAMPLES[photometric]:
        raise other_kind(_more_samples(directory, samples, photometric))
    if len(bits) not in (1, samples):
        raise damaged(f"{samples} TIFF samples a pixel, but bits for {len(bits)}")


def _more_samples(directory: Directory, samples: int, photometric: Photometric) -> str:
    if samples == _SAMPLES[photometric] + 1 and Tag.EXTRA_SAMPLES in directory.entries:
        return "gray with transparency" if samples == 2 else "colour with transparency"
    return f"{samples} samples a pixel"
