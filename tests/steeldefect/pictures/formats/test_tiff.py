"""TIFF: one page is decoded as stored, in every layout; samples of other kinds are refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.picture_files import (
    GRAY,
    HEIGHT,
    RGB,
    WIDTH,
    Pixels,
    TiffTags,
    by_pillow,
    saved,
    saved_all,
    tiff_file,
)

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.formats import tiff

LIMITS = DecodeLimits(max_pixels=10**6)
COLOUR: TiffTags = {258: (3, [8, 8, 8]), 262: (3, [2]), 277: (3, [3])}
FORMS = [{}, {"big": True}, {"order": ">"}, {"big": True, "order": ">"}]
JPEG: TiffTags = {259: (3, [7])}


def strips(pixels: Pixels, rows: int) -> list[bytes]:
    return [pixels[at : at + rows].tobytes() for at in range(0, len(pixels), rows)]


def tiles(pixels: npt.NDArray[Any], side: int) -> list[Pixels]:
    """The picture in squares, padded beyond its edges."""
    height, width = pixels.shape[:2]
    more = [(0, -height % side), (0, -width % side), (0, 0)][: pixels.ndim]
    padded = np.pad(pixels, more)
    return [
        padded[row : row + side, column : column + side]
        for row in range(0, height, side)
        for column in range(0, width, side)
    ]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("rows", [HEIGHT, 7, 1])
def test_strips_come_out_to_the_pixel(form: dict[str, Any], rows: int) -> None:
    tags: TiffTags = {278: (3, [rows])}
    data = tiff_file(strips(GRAY, rows), tags, **form)
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)
    inverted = tiff_file(strips(255 - GRAY, rows), {**tags, 262: (3, [0])}, **form)
    assert np.array_equal(decode_gray(inverted, LIMITS), GRAY)
    coloured = tiff_file(strips(RGB, rows), {**COLOUR, **tags}, **form)
    assert np.array_equal(decode_gray(coloured, LIMITS), by_pillow(saved(RGB, "PNG")))


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("side", [16, 48, 256])
def test_tiles_come_out_to_the_pixel(form: dict[str, Any], side: int) -> None:
    tags: TiffTags = {322: (3, [side]), 323: (3, [side])}
    data = tiff_file([tile.tobytes() for tile in tiles(GRAY, side)], tags, **form)
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)
    coloured = tiff_file([one.tobytes() for one in tiles(RGB, side)], {**COLOUR, **tags}, **form)
    assert np.array_equal(decode_gray(coloured, LIMITS), by_pillow(saved(RGB, "PNG")))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_separate_planes_come_out_to_the_pixel(form: dict[str, Any]) -> None:
    tags: TiffTags = {**COLOUR, 284: (3, [2]), 278: (3, [20])}
    planes = [strip for plane in range(3) for strip in strips(RGB[:, :, plane], 20)]
    decoded = decode_gray(tiff_file(planes, tags, **form), LIMITS)
    assert np.array_equal(decoded, by_pillow(saved(RGB, "PNG")))


@pytest.mark.parametrize("rows", [HEIGHT, 7])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize(
    "compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"]
)
def test_every_lossless_compression_is_lossless(
    compression: str, predictor: int, rows: int
) -> None:
    tags = {278: rows, 317: predictor if compression not in ("raw", "packbits") else 1}
    data = saved(GRAY, "TIFF", compression=compression, tiffinfo=tags)
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)
    coloured = saved(RGB, "TIFF", compression=compression, tiffinfo=tags)
    assert np.array_equal(decode_gray(coloured, LIMITS), by_pillow(saved(RGB, "PNG")))


@pytest.mark.parametrize("rows", [4_294_967_295, 2_147_483_647, 50_000_000])
@pytest.mark.parametrize("compression", ["raw", "tiff_adobe_deflate"])
def test_a_strip_may_claim_more_rows_than_the_page_has(rows: int, compression: str) -> None:
    whole = saved(GRAY, "TIFF", compression=compression)
    entry = struct.pack("<HHI", 278, 4, 1)
    at = whole.find(entry) if entry in whole else whole.find(struct.pack("<HHI", 278, 3, 1))
    data = whole[:at] + entry + struct.pack("<I", rows) + whole[at + 12 :]
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)


@pytest.mark.parametrize("error", [OSError("no such library"), AttributeError("no such symbol")])
def test_a_library_that_cannot_be_silenced_is_no_fault_of_a_picture(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(path: str) -> None:
        raise error

    monkeypatch.setattr(tiff.ctypes, "CDLL", refuse)
    monkeypatch.setattr(tiff, "_silence_libtiff", tiff._silence_libtiff.__wrapped__)
    data = saved(GRAY, "TIFF", compression="tiff_lzw")
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)


def test_what_stands_for_white_is_inverted_in_compressed_files_too() -> None:
    data = saved(GRAY, "TIFF", compression="tiff_lzw", tiffinfo={262: 0})
    assert data.count(struct.pack("<HHIHH", 262, 3, 1, 0, 0)) == 1
    assert np.array_equal(decode_gray(data, LIMITS), GRAY)


class TestJpegInTiff:
    @pytest.mark.parametrize("pixels", [GRAY, RGB], ids=["gray", "rgb"])
    @pytest.mark.parametrize("rows", [HEIGHT, 16])
    def test_as_libtiff_writes_it(self, pixels: Pixels, rows: int) -> None:
        data = saved(pixels, "TIFF", compression="jpeg", quality=95, tiffinfo={278: rows})
        assert close(decode_gray(data, LIMITS), by_pillow(data), 1)

    @pytest.mark.parametrize("side", [16, 48])
    def test_tiles(self, side: int) -> None:
        streams = [saved(tile, "JPEG", quality=95) for tile in tiles(GRAY, side)]
        tags: TiffTags = {**JPEG, 322: (3, [side]), 323: (3, [side])}
        assert close(decode_gray(tiff_file(streams, tags), LIMITS), GRAY, 12)

    def test_the_colour_space_is_what_the_tags_say(self) -> None:
        stream = saved(RGB, "JPEG", quality=95, keep_rgb=True)
        data = tiff_file([stream], {**JPEG, **COLOUR})
        assert close(decode_gray(data, LIMITS), by_pillow(saved(RGB, "PNG")), 12)
        stream = saved(RGB, "JPEG", quality=95, subsampling=0)
        data = tiff_file([stream], {**JPEG, **COLOUR, 262: (3, [6])})
        assert close(decode_gray(data, LIMITS), by_pillow(saved(RGB, "PNG")), 12)

    def test_white_is_zero(self) -> None:
        stream = saved(255 - GRAY, "JPEG", quality=95)
        assert close(decode_gray(tiff_file([stream], {**JPEG, 262: (3, [0])}), LIMITS), GRAY, 12)

    @pytest.mark.parametrize("kept", [0.5, 0.8, 0.99])
    @pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
    def test_a_cut_stream_is_refused(self, kept: float, end: bytes) -> None:
        streams = [saved(GRAY[row : row + 32], "JPEG", quality=95) for row in (0, 32)]
        cut = streams[0][: int(len(streams[0]) * kept)] + end
        with pytest.raises(DecodeError, match="corrupt or truncated"):
            decode_gray(tiff_file([cut, streams[1]], JPEG), LIMITS)

    @pytest.mark.parametrize(
        "streams",
        [
            [saved(GRAY[:32], "JPEG")],
            [saved(GRAY[:, :64], "JPEG")],
            [saved(RGB, "JPEG")],
            [b"no JPEG"],
            [b""],
        ],
    )
    def test_a_stream_of_another_size_or_kind_is_refused(self, streams: list[bytes]) -> None:
        with pytest.raises(DecodeError, match="corrupt or truncated"):
            decode_gray(tiff_file(streams, JPEG), LIMITS)

    def test_tables_without_a_bound_are_refused(self) -> None:
        """Every strip is decoded with a copy of them."""
        table = b"\xff\xdb\x00\x43\x00" + bytes(range(1, 65))
        tables = b"\xff\xd8" + 1_000 * table + b"\xff\xd9"
        data = tiff_file([saved(GRAY, "JPEG")], {**JPEG, 347: (7, list(tables))})
        with pytest.raises(DecodeError, match="too costly to decode: its JPEG tables have 69000"):
            decode_gray(data, LIMITS)


def close(decoded: Pixels, expected: Pixels, difference: int) -> bool:
    return bool(np.abs(decoded.astype(int) - expected).max() <= difference)


@pytest.mark.parametrize("pages", [2, 3])
@pytest.mark.parametrize("big", [False, True])
def test_several_pages_are_refused(pages: int, big: bool) -> None:
    with pytest.raises(DecodeError, match=f"{pages} pages in one file: save each of them"):
        decode_gray(saved_all([GRAY] * pages, "TIFF", big_tiff=big), LIMITS)


def test_a_thumbnail_in_front_of_the_picture_is_refused() -> None:
    data = saved_all([GRAY[::8, ::8].copy(), GRAY], "TIFF", tiffinfo={254: 1})
    with pytest.raises(DecodeError, match="2 pages in one file"):
        decode_gray(data, LIMITS)


def test_pages_that_follow_each_other_in_a_circle_are_counted_once() -> None:
    entry = struct.pack("<HHHII", 1, 256, 4, 1, 1)
    second = 8 + len(entry) + 4
    pages = entry + struct.pack("<I", second) + entry + struct.pack("<I", 8)
    with pytest.raises(DecodeError, match="2 pages in one file"):
        decode_gray(b"II*\0" + struct.pack("<I", 8) + pages, LIMITS)


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ({339: (3, [2])}, "signed samples"),
        ({339: (3, [3])}, "floating-point gray"),
        ({339: (3, [4])}, "TIFF sample format 4"),
        ({266: (3, [2])}, "the bits of a byte in reversed order .TIFF fill order 2."),
        ({258: (3, [1])}, "1-bit black and white"),
        ({258: (0, [])}, "1-bit black and white"),
        ({258: (3, [2])}, "2 bits a channel"),
        ({258: (3, [4])}, "4 bits a channel"),
        ({258: (3, [12])}, "12 bits a channel"),
        ({258: (3, [16])}, "16 bits a channel"),
        ({254: (4, [1])}, "the only page is marked as a thumbnail"),
        ({255: (3, [2])}, "the only page is marked as a thumbnail"),
        ({254: (4, [4])}, "the only page is marked as a transparency mask"),
        ({277: (3, [2]), 258: (3, [8, 8]), 338: (3, [1])}, "gray with transparency"),
        ({277: (3, [2]), 258: (3, [8, 8])}, "2 samples a pixel"),
        ({**COLOUR, 277: (3, [4]), 338: (3, [0])}, "colour with transparency"),
        ({262: (3, [3])}, "palette colour"),
        ({262: (3, [5])}, "CMYK colour"),
        ({262: (3, [4])}, "TIFF photometric interpretation 4"),
        ({262: (3, [6]), 277: (3, [3])}, "YCbCr colour without JPEG compression"),
        ({259: (3, [6])}, "TIFF compression old-style JPEG"),
        ({259: (3, [50001])}, "TIFF compression WebP"),
        ({259: (3, [77])}, "TIFF compression number 77"),
        ({**COLOUR, 259: (3, [7]), 284: (3, [2])}, "JPEG compression of separate colour planes"),
    ],
)
def test_other_samples_are_refused_by_name(tags: TiffTags, problem: str) -> None:
    data = tiff_file([GRAY.tobytes()], tags)
    with pytest.raises(DecodeError, match=f"not 8-bit gray or RGB: {problem}"):
        decode_gray(data, LIMITS)


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ({256: (4, [0])}, "0x64 pixels"),
        ({257: (0, [])}, "TIFF tag 257 is missing"),
        ({262: (0, [])}, "TIFF tag 262 is missing"),
        ({273: (0, [])}, "TIFF tag 273 is missing"),
        ({256: (4, [WIDTH, WIDTH])}, "TIFF tag 256 has 2 values"),
        ({256: (2, b"128")}, "TIFF tag 256 holds no whole numbers"),
        ({278: (4, [0])}, "strips or tiles of 128x0 pixels"),
        ({278: (4, [16])}, "1 offsets and 1 byte counts of TIFF strips or tiles, 4 needed"),
        ({273: (4, [8, 8])}, "2 offsets"),
        ({273: (4, [4])}, "begins within the file's header"),
        ({273: (4, [5_000])}, "ends beyond the file's end"),
        ({279: (4, [100])}, "shorter than its pixels"),
        ({273: (4, [300] * 2), 279: (4, [7_900] * 2), 278: (4, [32])}, "overlap"),
        ({317: (3, [3])}, "predictor 3"),
        ({284: (3, [7])}, "planar configuration 7"),
        ({258: (3, [8, 8])}, "1 TIFF samples a pixel, but bits for 2"),
        ({339: (3, [])}, "without a number of bits or a format"),
    ],
)
def test_tags_that_contradict_each_other_are_refused(tags: TiffTags, problem: str) -> None:
    with pytest.raises(DecodeError, match=f"corrupt or truncated: .*{problem}"):
        decode_gray(tiff_file([GRAY.tobytes()], tags), LIMITS)


def test_a_tag_that_stands_twice_is_refused() -> None:
    data = tiff_file([GRAY.tobytes()], {274: (3, [1])})
    twice = data.replace(struct.pack("<HHI", 274, 3, 1), struct.pack("<HHI", 273, 3, 1))
    with pytest.raises(DecodeError, match="TIFF tag 273 appears twice"):
        decode_gray(twice, LIMITS)
