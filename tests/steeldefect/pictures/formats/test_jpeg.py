"""JPEG: the pixels are libjpeg's own; damage that the decoder only warns of is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from PIL import ImageFile
from support.picture_files import (
    GRAY,
    RGB,
    Pixels,
    by_pillow,
    jpeg_of_planes,
    saved,
    saved_all,
    smooth,
)

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray

LIMITS = DecodeLimits(max_pixels=10**6)
STRIP = smooth(height=128, width=400)


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (33, 17), (64, 128), (128, 400)])
@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (1, {}),
        (1, {"progressive": True}),
        (1, {"optimize": True}),
        (1, {"restart_marker_blocks": 1}),
        (1, {"restart_marker_rows": 1}),
        (3, {"subsampling": 0}),
        (3, {"subsampling": 1}),
        (3, {"subsampling": 2}),
        (3, {"progressive": True}),
        (3, {"keep_rgb": True}),
        (3, {"keep_rgb": True, "progressive": True}),
    ],
)
@pytest.mark.parametrize("quality", [30, 90, 100])
def test_pixels_are_those_of_pillow(
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int],
    channels: int,
    options: dict[str, Any],
    quality: int,
) -> None:
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 2**22)  # the encoder's buffer, too small for noise
    rng = np.random.default_rng(1)
    pixels = rng.integers(90, 130, (*shape, channels)).astype(np.uint8)
    data = saved(pixels[:, :, 0] if channels == 1 else pixels, "JPEG", quality=quality, **options)
    assert np.array_equal(decode_gray(data, LIMITS), by_pillow(data))


@pytest.mark.parametrize("sampling", [0x11, 0x21, 0x32, 0x41])
def test_unusual_sampling_decodes_too(sampling: int) -> None:
    flat = np.full_like(GRAY, 128)
    expected = by_pillow(saved(GRAY, "JPEG", quality=90))
    decoded = decode_gray(jpeg_of_planes([GRAY, flat, flat], sampling), LIMITS)
    assert np.array_equal(decoded, expected)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("pixels", [STRIP, smooth(3, 128, 400)], ids=["gray", "rgb"])
class TestCutJpeg:
    @pytest.mark.parametrize("missing", range(1, 25))
    def test_without_its_last_bytes(
        self, pixels: Pixels, options: dict[str, Any], missing: int
    ) -> None:
        for quality in (60, 75, 95):
            refuses(saved(pixels, "JPEG", quality=quality, **options)[:-missing])

    @pytest.mark.parametrize("kept", [0.3, 0.5, 0.7, 0.9, 0.99])
    def test_filled_with_zeros_to_its_length(
        self, pixels: Pixels, options: dict[str, Any], kept: float
    ) -> None:
        data = saved(pixels, "JPEG", **options)
        refuses(data[: int(len(data) * kept)].ljust(len(data), b"\0"))

    @pytest.mark.parametrize("kept", [0.5, 0.7, 0.9, 0.99])
    def test_followed_by_an_end_marker(
        self, pixels: Pixels, options: dict[str, Any], kept: float
    ) -> None:
        data = saved(pixels, "JPEG", quality=90, **options)
        refuses(data[: int(len(data) * kept)] + b"\xff\xd9")

    @pytest.mark.parametrize("kept", [0.5, 0.7, 0.9])
    def test_filled_with_zeros_before_its_end_marker(
        self, pixels: Pixels, options: dict[str, Any], kept: float
    ) -> None:
        data = saved(pixels, "JPEG", quality=90, **options)
        refuses(data[: int(len(data) * kept)].ljust(len(data) - 2, b"\0") + b"\xff\xd9")


def refuses(data: bytes) -> None:
    with pytest.raises(DecodeError, match="corrupt or truncated"):
        decode_gray(data, LIMITS)


@pytest.mark.parametrize("zeros", [1_000, 2_000, 4_000])
def test_a_zeroed_stretch_of_a_baseline_jpeg_is_refused(zeros: int) -> None:
    data = saved(STRIP, "JPEG", quality=95)
    middle = len(data) // 2
    refuses(data[:middle] + bytes(zeros) + data[middle + zeros :])


def test_a_frame_that_says_more_rows_than_there_are_is_refused() -> None:
    data = saved(GRAY, "JPEG")
    at = data.index(b"\xff\xc0") + 5
    refuses(data[:at] + struct.pack(">H", 512) + data[at + 2 :])


@pytest.mark.parametrize("trailer", [b"\0" * 100_000, b"CAMERA7;lot=12\r\n", b"\xff", b"\xff\xd9"])
def test_bytes_behind_the_end_change_nothing(trailer: bytes) -> None:
    data = saved(GRAY, "JPEG")
    assert np.array_equal(decode_gray(data + trailer, LIMITS), decode_gray(data, LIMITS))


@pytest.mark.parametrize("padding", [b"", b"\0" * 500])
def test_two_pictures_one_after_the_other_are_refused(padding: bytes) -> None:
    data = saved(GRAY, "JPEG") + padding + saved(255 - GRAY, "JPEG")
    with pytest.raises(DecodeError, match="2 pictures in one file: save each of them"):
        decode_gray(data, LIMITS)


@pytest.mark.parametrize("count", [2, 3])
def test_a_multi_picture_file_is_refused(count: int) -> None:
    data = saved_all([RGB] * count, "MPO")
    with pytest.raises(DecodeError, match=f"{count} pictures in one file"):
        decode_gray(data, LIMITS)
    first_alone = data[: data.index(b"\xff\xd9\xff\xd8") + 2]
    with pytest.raises(DecodeError, match=f"{count} pictures in one file"):
        decode_gray(first_alone, LIMITS)


def test_a_multi_picture_index_of_one_or_of_nonsense_says_nothing() -> None:
    data = saved(GRAY, "JPEG")
    for index in (b"", b"nonsense", b"II*\0\x08\0\0\0\1\0\1\xb0\4\0\1\0\0\0\1\0\0\0\0\0\0\0"):
        segment = b"\xff\xe2" + struct.pack(">H", 6 + len(index)) + b"MPF\0" + index
        decoded = decode_gray(data[:2] + segment + data[2:], LIMITS)
        assert np.array_equal(decoded, decode_gray(data, LIMITS))


@pytest.mark.parametrize(
    ("offset", "value", "problem"),
    [
        (4, 12, "12 bits a channel"),
        (4, 16, "16 bits a channel"),
        (9, 2, "2 channels"),
        (9, 4, "CMYK colour"),
        (5, 0x7F, "too large"),
    ],
)
def test_other_frames_are_refused_by_name(offset: int, value: int, problem: str) -> None:
    data = bytearray(saved(GRAY, "JPEG"))
    data[data.index(b"\xff\xc0") + offset] = value
    with pytest.raises(DecodeError, match=problem):
        decode_gray(bytes(data), LIMITS)


def test_metadata_of_any_kind_is_passed_over() -> None:
    data = saved(GRAY, "JPEG")
    garbage = b"".join(
        bytes((0xFF, marker)) + struct.pack(">H", 2 + len(content)) + content
        for marker, content in (
            (0xE1, b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 40),
            (0xE2, b"ICC_PROFILE\0\x07\x01" + b"\0" * 40),
            (0xED, b"Photoshop 3.0\0" + b"8BIM" * 9),
            (0xFE, b"\xff\xd9\xff\xda a comment that holds markers"),
            *[(0xE5, b"x" * 65_533)] * 30,
        )
    )
    decoded = decode_gray(data[:2] + garbage + data[2:], LIMITS)
    assert np.array_equal(decoded, decode_gray(data, LIMITS))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xff\xd8\xff\xd9", "without a start of frame"),
        (b"\xff\xd8\xff\xff\xff", "no JPEG marker at byte 2"),
        (b"\xff\xd8\xff\xfe\0\1\xff\xd9", "a JPEG segment of negative length"),
        (b"\xff\xd8\xff\xfe\0\2text\xff\xd9", "no JPEG marker at byte 6"),
        (b"\xff\xd8\xff\xd8\xff\xd9", "marker 0xd8 out of place"),
        (b"\xff\xd8\xff\xc0\0\4\x08\0\xff\xda\0\2\xff\xd9", "frame without its parameters"),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xd9", "without a scan"),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\2\xff\xd9", "corrupt"),
    ],
)
def test_structures_that_are_no_picture_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        decode_gray(data, LIMITS)
