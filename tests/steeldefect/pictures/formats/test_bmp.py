"""BMP: palettes of grays, 24 and 32 bits are decoded; damaged files are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from support.picture_files import (
    GRAY,
    HEIGHT,
    RGB,
    WIDTH,
    bmp_file,
    bmp_run_lengths,
    by_pillow,
    saved,
)

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray

LIMITS = DecodeLimits(max_pixels=10**6)
ROWS = GRAY[::-1].tobytes()
INVERSE = bytes(v for k in range(256) for v in (255 - k, 255 - k, 255 - k, 0))
COLOURED = bytes(v for k in range(256) for v in (k, 255 - k, k, 0))


@pytest.mark.parametrize(
    "data",
    [
        bmp_file(ROWS),
        bmp_file(GRAY.tobytes(), height=-HEIGHT),
        bmp_file((255 - GRAY)[::-1].tobytes(), INVERSE),
        bmp_file(bmp_run_lengths(GRAY), compression=1),
        bmp_file(bmp_run_lengths(255 - GRAY), INVERSE, compression=1),
    ],
)
def test_gray_comes_out_to_the_pixel(data: bytes) -> None:
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)


def test_the_fourth_byte_of_32_bits_is_reserved() -> None:
    for fourth in (0, 7, 255):
        pixels = np.dstack([RGB[::-1, :, ::-1], np.full((HEIGHT, WIDTH, 1), fourth, np.uint8)])
        decoded = decode_gray(bmp_file(pixels.tobytes(), b"", bits=32), LIMITS)
        assert np.array_equal(decoded, by_pillow(saved(RGB, "BMP")))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (bmp_file(ROWS, COLOURED), "palette colour"),
        (bmp_file(ROWS, bits=1), "1-bit black and white"),
        (bmp_file(ROWS, bits=4), "4 bits a pixel"),
        (bmp_file(ROWS * 2, b"", bits=16), "5 or 6 bits a channel"),
        (saved(RGB, "BMP", "P"), "palette colour"),
    ],
)
def test_other_kinds_are_refused_by_name(data: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=f"not 8-bit gray or RGB: {problem}"):
        decode_gray(data, LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        bmp_file(ROWS)[:-1],
        bmp_file(ROWS)[:40],
        bmp_file(bmp_run_lengths(GRAY)[:-40], compression=1),
        bmp_file(ROWS, INVERSE[:400]),  # 100 colours, and pixels of colours beyond them
        bmp_file(ROWS, width=0),
        bmp_file(ROWS, height=0),
        bmp_file(ROWS, compression=4),
        b"BM" + struct.pack("<IHHII", 0, 0, 0, 0, 77) + bytes(100),
    ],
)
def test_damage_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="corrupt or truncated"):
        decode_gray(data, LIMITS)
