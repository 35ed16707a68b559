"""PNG: one picture; other chunks than those of the pixels change nothing."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from support.picture_files import (
    GRAY,
    HEIGHT,
    PNG_SIGNATURE,
    RGB,
    WIDTH,
    XMP_TURNED,
    by_pillow,
    png_chunk,
    png_file,
    saved,
    saved_all,
)

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray

LIMITS = DecodeLimits(max_pixels=10**6)
GRAY_PALETTE = png_chunk(b"PLTE", bytes(v for k in range(256) for v in (k, k, k)))


@pytest.mark.parametrize(
    "extra",
    [
        png_chunk(b"tRNS", b"\0\x10"),
        png_chunk(b"gAMA", struct.pack(">I", 45_455)),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_TURNED % 6),
        png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 10**7)),
        png_chunk(b"iCCP", b"k\0\0" + zlib.compress(b"a" * 10**7)),
        png_chunk(b"eXIf", b"nonsense"),
        png_chunk(b"acTL", struct.pack(">II", 1, 0)) + png_chunk(b"fcTL", bytes(26)),
    ],
)
def test_other_chunks_change_nothing(extra: bytes) -> None:
    assert np.array_equal(decode_gray(png_file(GRAY, extra=extra), LIMITS), GRAY)


def test_a_suggested_palette_of_a_colour_picture_changes_nothing() -> None:
    rows = RGB.reshape(HEIGHT, -1)
    decoded = decode_gray(png_file(rows, colour=2, extra=GRAY_PALETTE), LIMITS)
    assert np.array_equal(decoded, by_pillow(saved(RGB, "PNG")))


@pytest.mark.parametrize("trailer", [b"junk" * 100, b"\0"])
def test_bytes_behind_the_end_change_nothing(trailer: bytes) -> None:
    assert np.array_equal(decode_gray(saved(GRAY, "PNG") + trailer, LIMITS), GRAY)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("default_image", [False, True])
def test_an_animation_is_refused(count: int, default_image: bool) -> None:
    frames = [GRAY + number for number in range(count)]
    data = saved_all(frames, "PNG", default_image=default_image)
    with pytest.raises(DecodeError, match=f"{count} frames in one file: save each of them"):
        decode_gray(data, LIMITS)


def test_two_pictures_one_after_the_other_are_refused() -> None:
    with pytest.raises(DecodeError, match="2 pictures in one file"):
        decode_gray(saved(GRAY, "PNG") + saved(GRAY, "PNG"), LIMITS)


@pytest.mark.parametrize(
    ("bits", "colour", "problem"),
    [
        (1, 0, "1-bit black and white"),
        (2, 0, "2 bits a channel"),
        (4, 0, "4 bits a channel"),
        (16, 0, "16 bits a channel"),
        (16, 2, "16 bits a channel"),
        (8, 3, "palette colour"),
        (8, 4, "gray with transparency"),
        (8, 6, "colour with transparency"),
    ],
)
def test_other_kinds_are_refused_by_name(bits: int, colour: int, problem: str) -> None:
    data = png_file(GRAY, bits=bits, colour=colour, extra=GRAY_PALETTE)
    with pytest.raises(DecodeError, match=f"not 8-bit gray or RGB: {problem}"):
        decode_gray(data, LIMITS)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (8, 8), (13, 7)])
def test_interlaced_pictures_need_all_their_passes(size: tuple[int, int]) -> None:
    height, width = size
    passes = [
        (-(-(width - column) // across), -(-(height - row) // down))
        for column, row, across, down in (
            *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
            *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
        )
    ]
    rows = b"".join((b"\0" + b"\x63" * columns) * count for columns, count in passes if columns > 0)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
    for missing in (0, 1, 2):
        packed = zlib.compress(rows[: len(rows) - missing])
        data = PNG_SIGNATURE + header + png_chunk(b"IDAT", packed) + END
        if missing:
            with pytest.raises(DecodeError, match="corrupt or truncated"):
                decode_gray(data, LIMITS)
        else:
            assert np.array_equal(decode_gray(data, LIMITS), np.full(size, 0x63, np.uint8))


@pytest.mark.parametrize("rows", [0, 1, HEIGHT - 1])
@pytest.mark.parametrize("last", [0, 9])
def test_rows_that_are_missing_are_noticed_and_black_rows_are_not_missing(
    rows: int, last: int
) -> None:
    pixels = np.full((HEIGHT, WIDTH), last, np.uint8)
    assert np.array_equal(decode_gray(png_file(pixels), LIMITS), pixels)
    short = png_file(pixels[:rows])
    short = short.replace(short[16:33], HEADER[8:25])
    with pytest.raises(DecodeError, match="corrupt or truncated"):
        decode_gray(short, LIMITS)


HEADER = png_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0))
END = png_chunk(b"IEND", b"")
SHORT = png_chunk(b"IDAT", zlib.compress(bytes(129 * 20)))


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        (END, "does not begin with its header"),
        (HEADER + HEADER + END, "two headers"),
        (HEADER + png_chunk(b"ABCD", b"") + END, "unknown PNG chunk b'ABCD'"),
        (HEADER + b"\0\0\1\0tEXt", "ends within a chunk|without its end chunk"),
        (HEADER + END, "corrupt or truncated"),
        (HEADER + png_chunk(b"IDAT", b"") + END, "corrupt or truncated"),
        (
            HEADER + png_chunk(b"IDAT", zlib.compress(bytes(129 * 20))) + END,
            "2580 bytes of rows, 8256",
        ),
        (HEADER.replace(b"\x80", b"\x81"), "wrong checksum of PNG chunk b'IHDR'"),
    ],
)
def test_files_that_are_no_whole_picture_are_refused(chunks: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        decode_gray(PNG_SIGNATURE + chunks, LIMITS)
