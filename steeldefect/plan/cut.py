"""Cut planned pictures into waves, while more are still being planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Wave:
    """The pictures of a wave.

    Attributes:
        keys: planned pictures; columns of `plan.skipped.PLANNED`.
        last: whether no more waves follow.
    """

    keys: pa.Table
    last: bool


def cut(
    planned: Iterable[pa.Table], pictures: Callable[[], int], last: Callable[[], bool]
) -> Iterator[Wave]:
    """Cut planned pictures into waves of about one size.

    A wave is cut when twice its size is planned, or everything: so the rest is shared by the last
    waves, because a small last wave could not keep all cores busy.

    Args:
        planned: the pictures, in parts of any size.
        pictures: returns the size of the next wave; it may change from wave to wave.
        last: returns whether nothing follows after all of `planned`; called when it has ended.
    """
    parts, rows, more = iter(planned), 0, True
    left: list[pa.Table] = []
    while True:
        while more and rows < 2 * pictures():
            part = next(parts, None)
            more = part is not None
            if part is not None:
                left.append(part)
                rows += part.num_rows
        if not rows:
            return
        size = pictures()
        if not more:
            size = rows // -(-rows // size)
        table = pa.concat_tables(left)
        left, rows = [table.slice(size)], rows - size
        yield Wave(table.slice(0, size), rows == 0 and not more and last())


def wave_count(planned: int, pictures: int) -> int:
    """Compute the number of waves into which pictures are cut that are all planned."""
    return -(-planned // pictures)
