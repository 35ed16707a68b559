"""Alternating run lengths, as COCO and CVAT write them.

The first count is the number of pixels before the mask (it may be 0), the second the number of the
mask's first pixels, and so on. All counts together are the number of pixels. COCO goes down the
columns of the picture, CVAT along the rows of the object's box.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steeldefect.errors import RunLengthError

Pixels = npt.NDArray[np.bool_]

_LONGEST_COUNT = 60  # bits


def to_counts(pixels: Pixels) -> list[int]:
    """Compute the counts of pixels in order.

    Args:
        pixels: bool (n,), whether each pixel belongs to the mask.
    """
    edges = np.flatnonzero(np.diff(pixels, prepend=False, append=not pixels[-1]))
    return [int(edges[0]), *np.diff(edges).tolist()]


def to_pixels(counts: Sequence[int], total: int) -> Pixels:
    """Compute the pixels of counts.

    Args:
        counts: alternating counts.
        total: number of pixels.

    Returns:
        bool (total,).

    Raises:
        RunLengthError: a count is negative, or the counts do not add up to `total`.
    """
    for number, count in enumerate(counts):
        if not 0 <= count <= total:
            raise RunLengthError(f"has a length of {count}, outside 0 to {total}", number)
    if sum(counts) != total:
        raise RunLengthError(f"the counts add up to {sum(counts)} pixels, expected {total}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, np.array(counts, np.int64))


def parse_compressed(text: str) -> list[int]:
    """Read counts from COCO's compressed text.

    pycocotools itself must not read text that nobody has checked: it writes past the end of its
    memory if the counts are more than the picture's pixels.

    Source: `rleFrString` in `maskApi.c` of pycocotools. Five bits a character, lowest first; from
    the fourth count on, the difference to the count before the last.

    Raises:
        RunLengthError: a character cannot be there, or the text ends within a count.
    """
    counts: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > _LONGEST_COUNT:
            raise RunLengthError(f"not a compressed count; got {character!a}", len(counts))
        value |= (code & 0x1F) << bits
        bits += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << bits
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = bits = 0
    if bits:
        raise RunLengthError("the text ends within a count", len(counts))
    return counts
