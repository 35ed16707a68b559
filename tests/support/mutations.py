"""Damage picture files as transfers, disks and attackers do, in a deterministic way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from support.picture_files import (
    GRAY,
    RGB,
    XMP_TURNED,
    bmp_file,
    bmp_run_lengths,
    encoded,
    saved,
    saved_all,
    tiff_file,
)

Damage = Callable[[bytes, bytes, np.random.Generator], bytes]

_SEED = 20_260_304
_HEADER = 200  # bytes at either end of a file that hold most of its structure
_EXTENSIONS = ("jpg", "jpeg", "png", "bmp", "tif", "tiff")
_TELLING = (0, 1, 2, 3, 4, 7, 8, 16, 32, 127, 128, 216, 217, 218, 254, 255)


def sound_files() -> dict[str, bytes]:
    """Return undamaged files of all formats, by name; most of them can be decoded."""
    files = {
        "gray.jpg": saved(GRAY, "JPEG"),
        "rgb.jpg": saved(RGB, "JPEG"),
        "progressive.jpg": saved(GRAY, "JPEG", progressive=True),
        "restarts.jpg": saved(GRAY, "JPEG", restart_marker_rows=1),
        "two.jpg": saved_all([RGB, RGB], "MPO"),
        "gray.png": saved(GRAY, "PNG"),
        "rgb.png": saved(RGB, "PNG"),
        "opencv.png": encoded(GRAY, ".png"),
        "two.png": saved_all([GRAY, 255 - GRAY], "PNG"),
        "gray.bmp": saved(GRAY, "BMP"),
        "rgb.bmp": saved(RGB, "BMP"),
        "runs.bmp": bmp_file(bmp_run_lengths(GRAY), compression=1),
        "two.tif": saved_all([GRAY, GRAY], "TIFF"),
        "turned.tif": tiff_file([GRAY.tobytes()], {700: (1, XMP_TURNED % 3), 274: (3, [6])}),
        "big.tif": tiff_file([GRAY.tobytes()], big=True),
        "motorola.tif": tiff_file([GRAY[:32].tobytes(), GRAY[32:].tobytes()], order=">"),
        "opencv.tif": encoded(RGB, ".tiff"),
    }
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        files[f"{compression}.tif"] = saved(RGB, "TIFF", compression=compression)
    return files


def mutated(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield damaged files, the same ones in every process.

    Args:
        count: number of files.

    Yields:
        A file name, whose extension may be that of another format, and the content of the file.
    """
    rng = np.random.default_rng(_SEED)
    sound = list(sound_files().items())
    kinds = list(_DAMAGES.items())
    for number in range(count):
        name, data = sound[number % len(sound)]
        _, other = sound[int(rng.integers(len(sound)))]
        kind, damage = kinds[number // len(sound) % len(kinds)]
        stem, _, extension = name.rpartition(".")
        if rng.random() < 0.2:
            extension = str(rng.choice(_EXTENSIONS))
        yield f"{number:06d}-{stem}-{kind}.{extension}", damage(data, other, rng)


def _cut(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _cut_at_the_end(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: -int(rng.integers(1, 20))]


def _cut_and_filled(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return _cut(data, other, rng).ljust(len(data), b"\0")


def _cut_and_ended(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return _cut(data, other, rng) + data[-12:]


def _zeroed(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    begin = int(rng.integers(len(data)))
    size = min(int(rng.integers(1, 600)), len(data) - begin)
    return data[:begin] + bytes(size) + data[begin + size :]


def _header_bytes_changed(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return _changed(data, range(2, min(_HEADER, len(data))), rng)


def _last_bytes_changed(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return _changed(data, range(max(0, len(data) - _HEADER), len(data)), rng)


def _body_bytes_changed(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return _changed(data, range(len(data)), rng)


def _changed(data: bytes, places: range, rng: np.random.Generator) -> bytes:
    altered = bytearray(data)
    for place in rng.choice(places, int(rng.integers(1, 5))).tolist():
        altered[place] = int(rng.choice(_TELLING)) if rng.random() < 0.7 else rng.integers(256)
    return bytes(altered)


def _piece_left_out(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    begin = int(rng.integers(len(data)))
    return data[:begin] + data[begin + int(rng.integers(1, 200)) :]


def _spliced(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return _cut(data, other, rng) + other[int(rng.integers(len(other))) :]


def _followed_by_another(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data + other


def _header_of_another(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.integers(1, _HEADER))
    return other[:size] + data[size:]


def _empty(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return b""


def _noise(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, 20))] + rng.bytes(int(rng.integers(1, 2_000)))


def _untouched(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data


_DAMAGES: dict[str, Damage] = {
    damage.__name__.strip("_").replace("_", "-"): damage
    for damage in (
        _cut,
        _header_bytes_changed,
        _zeroed,
        _last_bytes_changed,
        _cut_and_filled,
        _body_bytes_changed,
        _cut_and_ended,
        _spliced,
        _header_of_another,
        _cut_at_the_end,
        _piece_left_out,
        _followed_by_another,
        _noise,
        _untouched,
        _empty,
    )
}
