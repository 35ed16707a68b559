"""Read and measure every picture once, in parallel threads."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import DecodeError
from steeldefect.pictures.decoding import decode_gray
from steeldefect.pictures.fingerprints import Fingerprint, digest_of, take_fingerprint
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.progress import followed
from training.data.dataset import LIMITS

_READERS = 4


@dataclass(frozen=True)
class PictureFacts:
    """Measurements of one picture.

    Attributes:
        name: file name.
        shape: (height, width) in pixels.
        file_size: size of the file in bytes.
        mean: mean gray level, 0 to 255.
        deviation: standard deviation of the gray level.
        digest: digest of shape and pixels; equal pixels have equal digests in any file format.
        fingerprint: perceptual fingerprint, to find similar pictures.
    """

    name: str
    shape: tuple[int, int]
    file_size: int
    mean: float
    deviation: float
    digest: str
    fingerprint: Fingerprint


@dataclass(frozen=True)
class UnreadablePicture:
    """A picture that does not decode, and why."""

    name: str
    problem: str


def measure_pictures(
    paths: Mapping[str, Path],
) -> tuple[list[PictureFacts], list[UnreadablePicture]]:
    """Read every picture once; both results are in the order of names."""
    with ThreadPoolExecutor(_READERS) as pool:
        measured = list(
            followed(pool.map(_measure, sorted(paths.values())), len(paths), "reading", "pictures")
        )
    facts = [one for one in measured if isinstance(one, PictureFacts)]
    return facts, [one for one in measured if isinstance(one, UnreadablePicture)]


def read_picture(path: Path) -> Gray:
    """Decode a picture: uint8 (height, width).

    Raises:
        DecodeError: the file is not a picture of a supported kind.
        OSError: the file cannot be read.
    """
    return decode_gray(path.read_bytes(), LIMITS)


def _measure(path: Path) -> PictureFacts | UnreadablePicture:
    try:
        gray = read_picture(path)
        file_size = path.stat().st_size
    except DecodeError as error:
        return UnreadablePicture(path.name, str(error))
    except OSError as error:
        return UnreadablePicture(path.name, str(error.strerror))
    height, width = gray.shape
    return PictureFacts(
        name=path.name,
        shape=(height, width),
        file_size=file_size,
        mean=float(gray.mean()),
        deviation=float(gray.std()),
        digest=digest_of(gray),
        fingerprint=take_fingerprint(gray),
    )
