"""Compute and compare fingerprints of pictures, to find pictures that show the same view.

The comparison has two steps:

1. A perceptual hash of 255 bits finds candidates among all pairs. Each bit says whether one of
   the lowest 16 x 16 cosine frequencies of the picture at 64 x 64 lies above their median (Zauner
   2010, "Implementation and Benchmarking of Perceptual Image Hash Functions").
2. The correlation of small copies confirms a candidate. The hash alone is not enough: strips of
   bare steel have few low frequencies, and these are similar.

Brightness, contrast and a lossy format change neither hash nor correlation much. A picture and
its mirror image differ in both.

The hash needs no further library: it is three lines with OpenCV's cosine transform, and NumPy
compares the packed bits of all pairs in bulk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Gray

HASH_BITS = 255
MAX_DISTANCE = 48  # bits; brightened copies, saved at JPEG quality 60, differ by up to 40
MIN_CORRELATION = 0.98  # the same copies reach 0.994
SAME_PIECE_CORRELATION = 0.9
"""Lowest correlation of pictures of one piece of steel whose hashes are close.

Exposures of one piece, and pictures with a pasted defect, reach it; pictures of different pieces do
not.
"""

_FREQUENCIES, _SAMPLES, _THUMBNAIL = 16, 64, 32
_BLOCK = 256  # rows of the distance matrix at a time: memory stays bounded
_FLAT = 1e-3  # gray levels; a picture with less variation has no pattern to compare

Bits = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Fingerprint:
    """The values by which pictures are compared.

    Attributes:
        bits: uint64 (4,): the perceptual hash.
        pattern: float32 (1024,): the picture at 32 x 32, with mean 0 and norm 1; all zeros for a
            picture of one gray level.
    """

    bits: Bits
    pattern: npt.NDArray[np.float32]


def take_fingerprint(gray: Gray) -> Fingerprint:
    """Compute the fingerprint of a picture, uint8 (height, width)."""
    small = cv2.resize(gray, (_SAMPLES, _SAMPLES), interpolation=cv2.INTER_AREA)
    lowest = cv2.dct(small.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    bits = np.packbits(np.append(lowest > np.median(lowest), False)).view(np.uint64)
    tiny = cv2.resize(gray, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    pattern = tiny.astype(np.float32).ravel() - np.float32(tiny.mean())
    length = float(np.linalg.norm(pattern))
    flat = length < _FLAT * _THUMBNAIL
    return Fingerprint(bits, np.zeros_like(pattern) if flat else pattern / np.float32(length))


def digest_of(gray: Gray) -> str:
    """Compute the sha256 of shape and pixels; the file format does not matter."""
    height, width = gray.shape
    pixels = np.ascontiguousarray(gray).tobytes()
    return hashlib.sha256(f"{height}x{width} ".encode() + pixels).hexdigest()


def similar_pairs(
    prints: Sequence[Fingerprint], min_correlation: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the similar pairs of pictures: two places in `prints`, and their correlation.

    Args:
        prints: fingerprints of pictures.
        min_correlation: lowest correlation of a similar pair.
    """
    if len(prints) < 2:
        return
    bits = np.stack([one.bits for one in prints])
    patterns = np.stack([one.pattern for one in prints])
    for first in range(0, len(prints), _BLOCK):
        near = _distances(bits[first : first + _BLOCK], bits[first:]) <= MAX_DISTANCE
        ones, others = np.nonzero(np.triu(near, k=1))
        correlations = np.einsum("ij,ij->i", patterns[first + ones], patterns[first + others])
        for one, other, correlation in zip(ones, others, correlations, strict=True):
            if correlation >= min_correlation:
                yield first + int(one), first + int(other), float(correlation)


def find_similar(
    one: Fingerprint, others: Sequence[Fingerprint], min_correlation: float
) -> int | None:
    """Return the place of the first of `others` that is similar to `one`; None: none is.

    It compares as `similar_pairs` does.
    """
    if not others:
        return None
    bits = np.stack([other.bits for other in others])
    (near,) = np.nonzero(_distances(one.bits[np.newaxis], bits)[0] <= MAX_DISTANCE)
    for place in near.tolist():
        if float(others[place].pattern @ one.pattern) >= min_correlation:
            return int(place)
    return None


def _distances(ones: Bits, others: Bits) -> npt.NDArray[np.uint16]:
    """Count the differing bits of every pair."""
    distances = np.zeros((len(ones), len(others)), np.uint16)
    for word in range(ones.shape[1]):
        distances += np.bitwise_count(ones[:, None, word] ^ others[None, :, word])
    return distances
