"""Run-length codec: the Kaggle convention, column-major and 1-based.

Pixels are numbered from 1, top to bottom, then left to right. A mask is the text
`"start length start length ..."` with starts ascending and runs that do not overlap; an empty
mask is the empty text. In memory a mask's runs are an int64 array of shape (n, 2) whose columns
are the 1-based start and the length, as in the text.

    >>> import numpy as np
    >>> encode(np.array([[0, 1], [1, 1]]))
    '2 3'
    >>> area(parse("2 3"))
    3

Source of the convention: Kaggle, "Severstal: Steel Defect Detection", page "Evaluation".
"""

from __future__ import annotations

import re
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.errors import RunLengthError

Runs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LARGEST_PIXEL = 2**62 - 1  # a start and a length below it add up without overflow
_LONGEST_TOKEN = 40  # characters of a token that an error message shows
_NUMBER = re.compile(r"-?[0-9]{1,30}", re.ASCII)
_NUMBERS = re.compile(r"[0-9\s-]*", re.ASCII)


class BoundingBox(NamedTuple):
    """Smallest upright rectangle around a mask, in pixels, 0-based; bottom and right exclusive."""

    top: int
    left: int
    bottom: int
    right: int


class Confusion(NamedTuple):
    """A true and a found mask of one picture, compared; in pixels.

    Attributes:
        tp: true positives, true and found.
        fp: false positives, found but not true.
        fn: false negatives, true but not found.
    """

    tp: int
    fp: int
    fn: int

    @property
    def union(self) -> int:
        """Pixels of either mask."""
        return self.tp + self.fp + self.fn

    @property
    def dice(self) -> float:
        """Dice: 2 tp / (2 tp + fp + fn), and 1 where both masks are empty."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0

    def tn(self, shape: tuple[int, int]) -> int:
        """Count the true negatives, the other pixels of a picture of `shape` (height, width)."""
        return shape[0] * shape[1] - self.union


def parse(text: str, shape: tuple[int, int] | None = None) -> Runs:
    """Read run lengths from text and check them.

    Args:
        text: `"start length ..."`, separated by white space; empty for an empty mask.
        shape: (height, width) of the picture in pixels; None to accept runs of any picture.

    Returns:
        int64 array (n, 2): 1-based start and length of each run, ascending.

    Raises:
        RunLengthError: the count is odd, a token is not a whole number, a start or length is below
            1, runs overlap or are not ascending, or a run ends outside `shape`; `run` is the index
            of the first such run.
    """
    if not isinstance(text, str):
        raise RunLengthError(f"expected text, received {type(text).__name__} {text!r}")
    tokens = text.split()
    if not _NUMBERS.fullmatch(text):
        raise _first_non_number(text)
    try:
        numbers = np.array(tokens, dtype=np.int64)
    except (ValueError, OverflowError):
        raise _first_non_number(text) from None
    if numbers.size % 2:
        raise RunLengthError(
            f"a start without a length; got {numbers.size} numbers, expected an even count",
            run=numbers.size // 2,
        )
    return validate(numbers.reshape(-1, 2), shape)


def validate(runs: Runs, shape: tuple[int, int] | None = None) -> Runs:
    """Check an (n, 2) array of runs as `parse` does, and return it unchanged.

    Raises:
        RunLengthError: see `parse`.
    """
    if runs.size == 0:
        return runs.reshape(0, 2)
    starts, lengths = runs[:, 0], runs[:, 1]
    _refuse_first(starts < 1, runs, "starts below pixel 1")
    _refuse_first(lengths < 1, runs, "has a length below 1")
    _refuse_first((starts > _LARGEST_PIXEL) | (lengths > _LARGEST_PIXEL), runs, "is out of bounds")
    ends = starts + lengths
    if shape is not None:
        pixels = shape[0] * shape[1]
        _refuse_first(
            ends - 1 > pixels, runs, f"is out of bounds: a picture of {shape} has {pixels} pixels"
        )
    overlaps = np.concatenate(([False], starts[1:] < ends[:-1]))
    _refuse_first(overlaps, runs, "begins before the previous run ends")
    return runs


def to_text(runs: Runs) -> str:
    """Write (n, 2) runs as text."""
    # one format for all numbers: twice as fast as to join the text of each
    return ("%d " * runs.size % tuple(runs.ravel().tolist()))[:-1]


def from_mask(mask: npt.NDArray[np.generic]) -> Runs:
    """Compute the runs of a mask.

    Args:
        mask: (height, width); every value other than 0 belongs to the mask.

    Returns:
        int64 array (n, 2).

    Raises:
        ValueError: `mask` is not two-dimensional.
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask has the shape (height, width); received {mask.shape}")
    pixels = np.zeros(mask.size + 2, dtype=bool)
    down_columns = cv2.transpose(mask.astype(bool, copy=False).view(np.uint8))
    pixels[1:-1] = down_columns.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    starts, ends = edges[0::2], edges[1::2]
    return np.stack([starts + 1, ends - starts], axis=1).astype(np.int64)


def to_mask(runs: Runs, shape: tuple[int, int]) -> Mask:
    """Compute the mask of runs, without a Python loop over them.

    Args:
        runs: int64 (n, 2), ascending and not overlapping (see `parse`).
        shape: (height, width) in pixels.

    Returns:
        bool array (height, width).

    Raises:
        RunLengthError: a run ends outside `shape`, or the runs are malformed.
    """
    height, width = shape
    validate(runs, shape)
    steps = np.zeros(height * width + 1, dtype=np.int8)
    np.add.at(steps, runs[:, 0] - 1, 1)
    np.add.at(steps, runs[:, 0] + runs[:, 1] - 1, -1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(width, height).T


def encode(mask: npt.NDArray[np.generic]) -> str:
    """Write a mask (height, width) as run-length text; see `from_mask`."""
    return to_text(from_mask(mask))


def decode(text: str, shape: tuple[int, int]) -> Mask:
    """Read run-length text as a bool mask of `shape` (height, width); see `parse` and `to_mask`."""
    return to_mask(parse(text), shape)


def area(runs: Runs) -> int:
    """Return the number of pixels of a mask."""
    return int(runs[:, 1].sum())


def bounding_box(runs: Runs, height: int) -> BoundingBox | None:
    """Compute the bounding box of a mask from its runs alone.

    Args:
        runs: int64 (n, 2).
        height: height of the picture in pixels; pixels are numbered down its columns.

    Returns:
        The box, or None for an empty mask.
    """
    if len(runs) == 0:
        return None
    first = runs[:, 0] - 1
    last = first + runs[:, 1] - 1
    wraps = first // height != last // height  # such a run touches both the bottom and the top row
    top = 0 if wraps.any() else int((first % height).min())
    bottom = height if wraps.any() else int((last % height).max()) + 1
    return BoundingBox(top, int(first[0] // height), bottom, int(last[-1] // height) + 1)


def overlap(one: Runs, other: Runs) -> int:
    """Return the number of pixels that two masks of one picture share, from their runs alone.

    The number of pixels of `other` before a point is a piecewise linear function of that point,
    with a corner at each start and end. The overlap is the growth of this function over the runs
    of `one`.
    """
    if len(one) == 0 or len(other) == 0:
        return 0
    return int((_covered_before(other, one.sum(axis=1)) - _covered_before(other, one[:, 0])).sum())


def confusion(truth: Runs, found: Runs) -> Confusion:
    """Count the pixels of a true and a found mask of one picture, from their runs alone.

    Args:
        truth: int64 (n, 2).
        found: int64 (m, 2).

    Returns:
        tp, fp and fn.
    """
    both = overlap(truth, found)
    return Confusion(tp=both, fp=area(found) - both, fn=area(truth) - both)


def _covered_before(runs: Runs, points: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return, for each 1-based pixel of `points`, the number of pixels of `runs` before it."""
    starts, lengths = runs[:, 0], runs[:, 1]
    covered = np.concatenate(([0], np.cumsum(lengths)))
    begun = np.searchsorted(starts, points, side="left")
    inside_last = np.minimum(points - starts[begun - 1], lengths[begun - 1])
    return np.where(begun == 0, 0, covered[begun - 1] + inside_last)


def _refuse_first(faulty: npt.NDArray[np.bool_], runs: Runs, problem: str) -> None:
    if faulty.any():
        run = int(faulty.argmax())
        raise RunLengthError(f"{problem}; got start {runs[run, 0]}, length {runs[run, 1]}", run)


def _first_non_number(text: str) -> RunLengthError:
    for position, token in enumerate(text.split()):
        if not _NUMBER.fullmatch(token) or abs(int(token)) > _LARGEST_PIXEL:
            shown = token if len(token) <= _LONGEST_TOKEN else f"{token[:_LONGEST_TOKEN]}..."
            return RunLengthError(f"not a whole number of pixels: {shown!r}", position // 2)
    strange = next((one for one in text if not one.isascii()), "")
    return RunLengthError(f"not whole numbers separated by plain spaces; got {strange!a}")
