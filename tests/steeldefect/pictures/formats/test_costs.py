"""Bounds of the work that a file can cause, whatever its size on disk.

Memory is measured in this process; the error of a refusal states the work. A limit in seconds is a
watchdog: without the bound, the same file costs at least ten times as much.
"""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.picture_files import (
    GRAY,
    HEIGHT,
    PNG_SIGNATURE,
    WIDTH,
    bmp_file,
    jpeg_of_many_scans,
    jpeg_says,
    png_chunk,
    png_file,
    saved,
    smooth,
    tiff_file,
)

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray

LARGEST = DecodeLimits(max_pixels=50_000_000)


@contextmanager
def little(seconds: float = 5, kilobytes: int = 80_000) -> Iterator[None]:
    """Check that the code in this context takes little time and memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before, began = peak_memory(), time.process_time()
    yield
    assert time.process_time() - began < seconds
    assert peak_memory() - before < kilobytes


def peak_memory() -> int:
    """Return the peak memory of this process in kilobytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(256, 1600), (1400, 1500)])
def test_progressive_pictures_of_the_largest_size_are_decoded(
    shape: tuple[int, int], channels: int
) -> None:
    height, width = shape
    data = saved(smooth(channels, height, width), "JPEG", progressive=True)
    assert decode_gray(data, DecodeLimits(height * width)).shape == shape


def test_a_jpeg_of_hundreds_of_scans_is_refused_with_its_work() -> None:
    data = jpeg_says(jpeg_of_many_scans(GRAY, 300), 7_000, 7_000)
    with little(), pytest.raises(DecodeError) as caught:
        decode_gray(data, LARGEST)
    pixels = 300 * 7_008 * 7_008
    assert str(caught.value) == (
        f"too costly to decode: its JPEG scans cover {pixels} pixels in all, "
        "at most 800000000 (16 scans of the largest picture)"
    )


def test_the_scans_within_a_tiff_are_counted_over_all_its_strips() -> None:
    strip = jpeg_says(jpeg_of_many_scans(GRAY, 30), 7_000, 1_000)
    data = tiff_file([strip] * 7, {259: (3, [7])}, 7_000, 7_000)
    with little(), pytest.raises(DecodeError, match="its JPEG scans cover"):
        decode_gray(data, LARGEST)


def test_a_jpeg_of_very_many_segments_is_refused() -> None:
    data = saved(GRAY, "JPEG")
    comments = b"\xff\xfe\0\2" * 5_000_000
    with little(), pytest.raises(DecodeError, match="more than 10000 JPEG segments"):
        decode_gray(data[:2] + comments + data[2:], LARGEST)


def test_metadata_of_a_jpeg_costs_no_more_than_its_bytes() -> None:
    data = saved(GRAY, "JPEG")
    exif = b"\xff\xe1\xff\xff" + b"Exif\0\0".ljust(65_533, b"x")
    with little():
        decoded = decode_gray(data[:2] + exif * 500 + data[2:], LARGEST)
    assert np.array_equal(decoded, decode_gray(data, LARGEST))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_what_a_png_packs_beside_its_pixels_is_not_unpacked(kind: bytes) -> None:
    head = b"k\0\1\0\0\0" if kind == b"iTXt" else b"k\0\0"
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(10**6)) for _ in range(400)) + packer.flush()
    data = png_file(GRAY, extra=png_chunk(kind, head + packed))
    with little():
        assert np.array_equal(decode_gray(data, LARGEST), GRAY)


@pytest.mark.parametrize("kind", [b"tEXt", b"IDAT"])
def test_a_png_of_very_many_chunks_is_refused(kind: bytes) -> None:
    data = PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, *[0] * 4))
    with little(), pytest.raises(DecodeError, match="more than 100000 PNG chunks, at most 100000"):
        decode_gray(data + png_chunk(kind, b"") * 1_000_000, LARGEST)


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_very_many_tags_is_refused(big: bool) -> None:
    count = 1_000_000 if big else 65_535
    entry = bytes(20 if big else 12)
    head = struct.pack("<HHQQ", 8, 0, 16, count) if big else struct.pack("<IH", 8, count)
    data = (b"II+\0" if big else b"II*\0") + head + entry * count + bytes(8)
    with little(), pytest.raises(DecodeError, match=f"{count} TIFF tags, at most 4096"):
        decode_gray(data, LARGEST)


def test_a_tiff_of_very_many_strips_is_refused() -> None:
    height = 100_000
    tags = {273: (4, [8] * height), 279: (4, [1] * height), 278: (4, [1])}
    data = tiff_file([bytes(height)], tags, 1, height)
    with little(), pytest.raises(DecodeError, match=r"100000 TIFF strips or tiles, at most 65536"):
        decode_gray(data, LARGEST)
    tags |= {278: (4, [height])}
    with little(), pytest.raises(DecodeError, match=r"100000 offsets .* 1 needed"):
        decode_gray(tiff_file([bytes(height)], tags, 1, height), LARGEST)


def test_a_tiff_of_very_many_pages_is_refused() -> None:
    page = struct.pack("<HHHII", 1, 256, 4, 1, 1)
    size = len(page) + 4
    pages = b"".join(page + struct.pack("<I", 8 + size * (k + 1)) for k in range(1_000_000))
    data = b"II*\0" + struct.pack("<I", 8) + pages + page + bytes(4)
    with little(), pytest.raises(DecodeError, match="1000 pages in one file"):
        decode_gray(data, LARGEST)


@pytest.mark.parametrize("side", [16 * 4_000, 16])
def test_tiles_beyond_the_pictures_edges_are_bounded(side: int) -> None:
    tags = {322: (4, [side]), 323: (4, [64_000]), 259: (3, [8])}
    count = -(-WIDTH // side)
    data = tiff_file([zlib.compress(GRAY.tobytes())] * count, tags)
    if side * count * 64_000 > 2 * LARGEST.max_pixels:
        with little(), pytest.raises(DecodeError, match="tiles cover 4096000000 pixels in all"):
            decode_gray(data, LARGEST)
    else:
        with little(), pytest.raises(DecodeError, match="corrupt or truncated"):
            decode_gray(data, LARGEST)


def test_a_strip_that_unpacks_to_more_than_its_rows_is_not_unpacked_further() -> None:
    packer = zlib.compressobj(9)
    parts = [packer.compress(GRAY.tobytes())]
    parts += [packer.compress(bytes(10**6)) for _ in range(400)]
    data = tiff_file([b"".join([*parts, packer.flush()])], {259: (3, [8])})
    with little(seconds=0.5):
        assert np.array_equal(decode_gray(data, LARGEST), GRAY)


def test_strips_may_not_share_their_bytes() -> None:
    rows = 20_000
    packed = zlib.compress(bytes(100)) + bytes(10**6)
    tags = {259: (3, [8]), 278: (4, [1]), 279: (4, [len(packed)] * rows), 273: (4, [8] * rows)}
    with little(), pytest.raises(DecodeError, match="TIFF strips or tiles overlap"):
        decode_gray(tiff_file([packed], tags, 100, rows), LARGEST)


def test_run_lengths_of_a_bmp_are_bounded() -> None:
    empty_runs = b"\0\2\0\0" * 2_000_000  # each moves on by nothing
    data = bmp_file(empty_runs, compression=1, width=7_000, height=7_000)
    with little(), pytest.raises(DecodeError, match="bytes of BMP run lengths, at most 4194304"):
        decode_gray(data, LARGEST)


def test_the_largest_picture_of_each_format_is_decoded() -> None:
    picture = Image.new("L", (7_000, 7_000), 7)
    for form in ("JPEG", "PNG", "BMP", "TIFF"):
        buffer = io.BytesIO()
        picture.save(buffer, form)
        assert decode_gray(buffer.getvalue(), LARGEST).shape == (7_000, 7_000)
