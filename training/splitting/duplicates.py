"""Find pictures that occur more than once: the same pixels, or the same view saved again.

The search has two steps:

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
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Gray

HASH_BITS = 255
MAX_DISTANCE = 48  # bits; brightened copies, saved at JPEG quality 60, differ by up to 40
MIN_CORRELATION = 0.98  # the same copies reach 0.994

_FREQUENCIES, _SAMPLES, _THUMBNAIL = 16, 64, 32
_BLOCK = 256  # rows of the distance matrix at a time: memory stays bounded
_FLAT = 1e-3  # gray levels; a picture with less variation has no pattern to compare

Bits = npt.NDArray[np.uint64]
Thing = TypeVar("Thing", bound=Hashable)


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


class Comparable(Protocol):
    """The properties of a picture that are compared."""

    @property
    def name(self) -> str:
        """File name."""

    @property
    def digest(self) -> str:
        """Digest of the pixels; equal for equal pixels."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Perceptual hash and small copy of the picture."""


@dataclass(frozen=True)
class DuplicateSet:
    """Pictures that show the same view.

    Attributes:
        names: two or more names of pictures, ascending.
        identical: whether all pictures have the same pixels.
        correlation: lowest correlation among the pairs that were linked.
    """

    names: tuple[str, ...]
    identical: bool
    correlation: float


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


def find_duplicates(
    pictures: Sequence[Comparable], min_correlation: float = MIN_CORRELATION
) -> list[DuplicateSet]:
    """Return all sets of pictures that are linked by similar pairs; the largest sets first.

    Args:
        pictures: pictures in any order.
        min_correlation: lowest correlation of a similar pair. A lower value also links pictures
            that differ more, such as several exposures of one object.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        same[picture.digest].append(number)
    unlike = [members[0] for members in same.values()]
    links = [(members[0], other, 1.0) for members in same.values() for other in members[1:]]
    links += [
        (unlike[one], unlike[other], correlation)
        for one, other, correlation in _similar_pairs(
            [pictures[number].fingerprint for number in unlike], min_correlation
        )
    ]
    together = linked((one, other) for one, other, _ in links)
    sets = [_describe(members, pictures, links) for members in together]
    return sorted(sets, key=lambda one: (-len(one.names), one.names))


def linked(links: Iterable[tuple[Thing, Thing]]) -> list[list[Thing]]:
    """Return the sets of things that are linked, directly or through others (union-find)."""
    parents: dict[Thing, Thing] = {}

    def root(one: Thing) -> Thing:
        parents.setdefault(one, one)
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        return one

    for one, other in links:
        parents[root(other)] = root(one)
    members: dict[Thing, list[Thing]] = defaultdict(list)
    for one in list(parents):
        members[root(one)].append(one)
    return list(members.values())


def _similar_pairs(
    prints: Sequence[Fingerprint], min_correlation: float
) -> Iterator[tuple[int, int, float]]:
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


def _distances(ones: Bits, others: Bits) -> npt.NDArray[np.uint16]:
    """Count the differing bits of every pair."""
    distances = np.zeros((len(ones), len(others)), np.uint16)
    for word in range(ones.shape[1]):
        distances += np.bitwise_count(ones[:, None, word] ^ others[None, :, word])
    return distances


def _describe(
    members: list[int], pictures: Sequence[Comparable], links: list[tuple[int, int, float]]
) -> DuplicateSet:
    inside = set(members)
    return DuplicateSet(
        names=tuple(sorted(pictures[one].name for one in members)),
        identical=len({pictures[one].digest for one in members}) == 1,
        correlation=min(correlation for one, _, correlation in links if one in inside),
    )
