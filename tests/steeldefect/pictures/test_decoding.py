"""Decoding: whole 8-bit gray or RGB pictures are decoded exactly; all others are refused."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import time
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.picture_files import (
    GRAY,
    HEIGHT,
    PNG_SIGNATURE,
    RGB,
    WIDTH,
    XMP_TURNED,
    Pixels,
    bmp_file,
    encoded,
    png_chunk,
    saved,
    tiff_file,
)
from support.samples import ROOT

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray

LIMITS = DecodeLimits(max_pixels=50_000_000)


def luminance(pixels: Pixels) -> npt.NDArray[np.float64]:
    """ITU-R BT.601."""
    return pixels @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize(
    "data",
    [
        saved(GRAY, "PNG"),
        saved(GRAY, "PNG", optimize=True),
        encoded(GRAY, ".png"),
        saved(GRAY, "BMP"),
        encoded(GRAY, ".bmp"),
        saved(GRAY, "TIFF"),
        saved(GRAY, "TIFF", compression="tiff_lzw"),
        saved(GRAY, "TIFF", compression="tiff_adobe_deflate"),
        encoded(GRAY, ".tiff"),
    ],
)
def test_lossless_gray_comes_out_to_the_pixel(data: bytes) -> None:
    decoded = decode_gray(data, LIMITS)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, GRAY)


@pytest.mark.parametrize(
    "data",
    [
        saved(RGB, "PNG"),
        encoded(RGB[:, :, ::-1], ".png"),
        saved(RGB, "BMP"),
        encoded(RGB[:, :, ::-1], ".bmp"),
        saved(RGB, "TIFF"),
        encoded(RGB[:, :, ::-1], ".tiff"),
    ],
)
def test_colour_becomes_luminance(data: bytes) -> None:
    decoded = decode_gray(data, LIMITS)
    assert decoded.shape == (HEIGHT, WIDTH)
    assert np.abs(decoded - luminance(RGB)).max() <= 1


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (GRAY, {}),
        (GRAY, {"progressive": True}),
        (np.stack([GRAY] * 3, axis=-1), {"subsampling": 0}),
        (np.stack([GRAY] * 3, axis=-1), {"progressive": True}),
        (np.stack([GRAY] * 3, axis=-1), {"keep_rgb": True}),  # no YCbCr inside
    ],
)
def test_a_jpeg_comes_out_close(pixels: Pixels, options: dict[str, Any]) -> None:
    decoded = decode_gray(saved(pixels, "JPEG", quality=95, **options), LIMITS)
    assert decoded.shape == (HEIGHT, WIDTH)
    assert np.abs(decoded.astype(int) - GRAY).max() <= 8


def test_a_jpeg_decodes_as_opencv_has_it() -> None:
    data = saved(GRAY, "JPEG")
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert expected is not None
    assert np.abs(decode_gray(data, LIMITS).astype(int) - expected).max() <= 1


def test_a_repeated_gray_channel_loses_nothing() -> None:
    assert np.array_equal(decode_gray(saved(np.stack([GRAY] * 3, -1), "PNG"), LIMITS), GRAY)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_an_orientation_in_exif_is_ignored(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = decode_gray(saved(GRAY, form, exif=exif), LIMITS)
    assert np.array_equal(turned, decode_gray(saved(GRAY, form), LIMITS))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", [1, 7])
def test_an_orientation_in_xmp_is_ignored(orientation: int, kind: int) -> None:
    xmp = (kind, XMP_TURNED % orientation)
    for tags in ({700: xmp}, {700: xmp, 274: (3, [1])}, {700: xmp, 274: (3, [9 - orientation])}):
        assert np.array_equal(decode_gray(tiff_file([GRAY.tobytes()], tags), LIMITS), GRAY)
    lossless = saved(GRAY, "TIFF", compression="tiff_lzw", tiffinfo={700: xmp[1]})
    assert np.array_equal(decode_gray(lossless, LIMITS), GRAY)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_thin_pictures_decode(size: tuple[int, int]) -> None:
    pixels = np.full(size, 77, np.uint8)
    assert np.array_equal(decode_gray(saved(pixels, "PNG"), LIMITS), pixels)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty file: 0 bytes"),
        (b"\0", "not a JPEG, PNG, BMP or TIFF"),
        (b"\0" * 1000, "not a JPEG, PNG, BMP or TIFF"),
        (b"not a picture at all", "not a JPEG, PNG, BMP or TIFF; begins with b'not a pi'"),
        (b"<html><body>503</body></html>", "not a JPEG, PNG, BMP or TIFF"),
        (b"\xff\xd8\xff", "corrupt or truncated: the JPEG ends without its end-of-image marker"),
        (PNG_SIGNATURE, "corrupt or truncated: the PNG ends without its end chunk"),
        (b"BM", "corrupt or truncated"),
        (b"II*\0", "corrupt or truncated: a TIFF directory lies beyond the file's end"),
        (saved(GRAY, "GIF"), "not a JPEG, PNG, BMP or TIFF; begins with b'GIF8"),
        (saved(GRAY, "WEBP"), "not a JPEG, PNG, BMP or TIFF; begins with b'RIFF"),
        (encoded(GRAY.astype(np.uint16) * 257, ".png"), "16 bits"),
        (encoded(RGB.astype(np.uint16) * 257, ".png"), "16 bits"),
        (encoded(GRAY.astype(np.uint16) * 257, ".tiff"), "16 bits"),
        (encoded(RGB.astype(np.uint16) * 257, ".tiff"), "16 bits"),
        (saved(GRAY, "TIFF", "I"), "signed samples"),
        (saved(GRAY, "TIFF", "F"), "floating-point gray"),
        (saved(RGB, "JPEG", "CMYK"), "CMYK colour"),
        (saved(RGB, "TIFF", "CMYK"), "CMYK colour"),
        (saved(RGB, "PNG", "P"), "palette colour"),
        (saved(RGB, "BMP", "P"), "palette colour"),
        (saved(GRAY, "PNG", "1"), "1-bit black and white"),
        (saved(GRAY, "TIFF", "1"), "1-bit black and white"),
        (saved(GRAY, "PNG", "LA"), "gray with transparency"),
        (saved(RGB, "PNG", "RGBA"), "colour with transparency"),
        (saved(RGB, "TIFF", "RGBA"), "colour with transparency"),
        (saved(RGB, "TIFF", "LAB"), "not 8-bit gray or RGB: CIE L*a*b* colour"),
    ],
)
def test_what_is_not_8_bit_gray_or_rgb_is_refused_by_name(data: bytes, problem: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_gray(data, LIMITS)
    assert problem in str(caught.value)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.02, 0.2, 0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("pixels", [GRAY, RGB], ids=["gray", "rgb"])
def test_a_truncated_file_is_refused(form: str, kept: float, pixels: Pixels) -> None:
    data = saved(pixels, form)
    with pytest.raises(DecodeError, match=r"corrupt or truncated|not a JPEG, PNG"):
        decode_gray(data[: int(len(data) * kept)], LIMITS)


@pytest.mark.parametrize("missing", [5, 8, 12, 13, 16, 17, 20, 24])
def test_a_png_without_its_end_is_refused_even_if_all_rows_are_there(missing: int) -> None:
    with pytest.raises(DecodeError, match="corrupt or truncated"):
        decode_gray(saved(GRAY, "PNG")[:-missing], LIMITS)


@pytest.mark.parametrize("missing", [1, 2, 10])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_refused(missing: int, progressive: bool) -> None:
    with pytest.raises(DecodeError, match="truncated"):
        decode_gray(saved(GRAY, "JPEG", progressive=progressive)[:-missing], LIMITS)


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_png_with_one_wrong_bit_never_comes_out_wrong(bit: int) -> None:
    whole = saved(GRAY, "PNG")
    for place in range(len(whole)):
        altered = bytearray(whole)
        altered[place] ^= 1 << bit
        try:
            decoded = decode_gray(bytes(altered), LIMITS)
        except DecodeError:
            continue
        assert np.array_equal(decoded, GRAY), place


@pytest.mark.parametrize("form", ["JPEG", "BMP", "TIFF"])
def test_damage_ends_in_a_picture_or_in_a_decode_error(form: str) -> None:
    whole = saved(RGB, form)
    rng = np.random.default_rng(0)
    for _ in range(300):
        altered = bytearray(whole)
        for place in rng.integers(0, len(altered), 3).tolist():
            altered[place] = int(rng.integers(0, 256))
        try:
            decoded = decode_gray(bytes(altered), DecodeLimits(max_pixels=10**6))
        except DecodeError:
            continue
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 2


def huge_png(side: int) -> bytes:
    """A valid black picture of side x side pixels, written without ever being in memory."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes(side + 1)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(kind, content) for kind, content in chunks)


def test_a_huge_picture_is_refused_at_once_and_without_its_memory() -> None:
    data = huge_png(20_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with pytest.raises(DecodeError, match="too large: 20000x20000 pixels, at most 50000000"):
        decode_gray(data, LIMITS)
    assert time.process_time() - began < 0.2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000, "kilobytes; the picture itself has 400,000"


@pytest.mark.parametrize(
    ("pixels", "refused"), [(HEIGHT * WIDTH, False), (HEIGHT * WIDTH - 1, True)]
)
def test_the_limit_itself_is_still_decoded(pixels: int, refused: bool) -> None:
    data = saved(GRAY, "PNG")
    if refused:
        with pytest.raises(DecodeError, match="too large: 128x64 pixels, at most 8191"):
            decode_gray(data, DecodeLimits(pixels))
    else:
        assert decode_gray(data, DecodeLimits(pixels)).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "data",
    [
        tiff_file([GRAY.tobytes()], {278: (2, b"many")}),
        tiff_file([GRAY.tobytes()], {273: (7, b"text")}),
        tiff_file([GRAY.tobytes()], {273: (16, [2**63 - 1])}, big=True),
        tiff_file([GRAY.tobytes()], {256: (16, [2**63 + 1])}, big=True),
        tiff_file([GRAY.tobytes()], {258: (3, [])}),
        tiff_file([GRAY.tobytes()], {322: (3, [0]), 323: (3, [0])}),
        bmp_file(b"", bits=0),
        bmp_file(GRAY.tobytes(), width=-5),
        PNG_SIGNATURE + png_chunk(b"IHDR", b"") + png_chunk(b"IEND", b""),
        PNG_SIGNATURE + png_chunk(b"acTL", b""),
    ],
)
def test_contradictions_are_decode_errors_of_one_line(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_gray(data, LIMITS)
    assert "\n" not in str(caught.value)


WITH_LITTLE_MEMORY = """
import resource, sys
sys.path.insert(0, "tests")
import numpy as np
from support.picture_files import saved
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
decode_gray(saved(np.zeros((64, 64), np.uint8), FORM, **OPTIONS), DecodeLimits(5000))
data = saved(np.zeros((7000, 7000), np.uint8), FORM, **OPTIONS)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 2**24, resource.RLIM_INFINITY))
try:
    decode_gray(data, DecodeLimits(50_000_000))
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
    ],
)
def test_too_little_memory_is_not_the_pictures_fault(form: str, options: dict[str, Any]) -> None:
    program = WITH_LITTLE_MEMORY.replace("FORM", repr(form)).replace("OPTIONS", repr(options))
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.stdout == "MemoryError\n", ended.stderr


WITH_MUTATIONS = """
import resource, sys
sys.path.insert(0, "tests")
import numpy as np
from support.mutations import mutated
from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
decoded = refused = 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, data in mutated(500):
    try:
        pixels = decode_gray(data, DecodeLimits(10**6))
    except DecodeError as error:
        refused += 1
        assert "\\n" not in str(error), name
    else:
        decoded += 1
        assert pixels.dtype == np.uint8 and pixels.ndim == 2 and pixels.size, name
print(decoded, refused, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_damage_of_every_kind_is_refused_in_silence_and_in_bounded_memory() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", WITH_MUTATIONS],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert ended.stderr == ""
    decoded, refused, kilobytes = map(int, ended.stdout.split())
    assert decoded + refused == 500
    assert decoded > 50
    assert refused > 250
    assert kilobytes < 60_000
