"""Turn the masks that `mask_levels` keeps into the columns of `predictions`, many rows at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.int64]


def run_length_texts(starts: pa.ListArray, lengths: pa.ListArray) -> pa.Array:
    """Write masks as run-length texts, `start length start length ...`.

    Args:
        starts: list<int32> (n,), 1-based first pixels of the runs of each mask.
        lengths: list<int32> (n,), their lengths.

    Returns:
        string (n,).
    """
    numbers = np.stack([_flat(starts), _flat(lengths)], axis=1).ravel()
    words = pa.array(numbers).cast(pa.string())
    offsets = np.concatenate(([0], np.cumsum(_counts(starts)))) * 2
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words)
    return pc.binary_join(lists, " ")


def boxes(
    starts: pa.ListArray, lengths: pa.ListArray, heights: Integers
) -> dict[str, npt.NDArray[np.int32]]:
    """Compute the smallest upright rectangles around masks, as `run_lengths.bounding_box` does.

    Args:
        starts: list<int32> (n,), 1-based first pixels of the runs; no mask is empty.
        lengths: list<int32> (n,), their lengths.
        heights: int64 (n,), heights of the pictures in pixels.

    Returns:
        The columns box_top, box_left, box_bottom and box_right: int32 (n,).
    """
    counts = _counts(starts)
    if len(counts) == 0:
        return {name: np.zeros(0, np.int32) for name in _SIDES}
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    height = np.repeat(heights, counts)
    begin = _flat(starts) - 1
    end = begin + _flat(lengths) - 1
    columns, last_columns = begin // height, end // height
    wraps = columns != last_columns  # such a run touches both the bottom and the top row
    tops = np.where(wraps, 0, begin % height)
    bottoms = np.where(wraps, height, end % height + 1)
    sides = (
        np.minimum.reduceat(tops, first),
        np.minimum.reduceat(columns, first),
        np.maximum.reduceat(bottoms, first),
        np.maximum.reduceat(last_columns, first) + 1,
    )
    return {name: side.astype(np.int32) for name, side in zip(_SIDES, sides, strict=True)}


_SIDES = ("box_top", "box_left", "box_bottom", "box_right")


def _flat(lists: pa.ListArray) -> Integers:
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.int64)


def _counts(lists: pa.ListArray) -> Integers:
    return np.asarray(pc.list_value_length(lists).to_numpy(zero_copy_only=False), np.int64)
