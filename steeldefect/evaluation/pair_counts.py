"""The counts of an evaluation: one row for each compared picture and class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.evaluation.confusions import BY_SIZE, COUNT_SCHEMA

Integers = npt.NDArray[np.int64]

_DRAWN = COUNT_SCHEMA.remove(COUNT_SCHEMA.get_field_index("problem"))
_PICTURES = 20_000  # whose rows are made at once
_PIXELS = ("tp", "fp", "fn")
_DEFECTS = ("true_defects", "found_defects", "matched_defects", "matched_iou")


@dataclass(frozen=True)
class PairCounts:
    """Counts of all pairs; only pairs with a true or found mask are stored.

    Attributes:
        drawn: columns of `COUNT_SCHEMA`, without `problem`, of these pairs, by picture and class.
        images: the pictures that are compared, as `ScoredPictures.images`; the column `picture` of
            `drawn` refers to its index.
        classes: class names, by id, ascending.
        sizes: number of size classes.
    """

    drawn: pa.Table
    images: pd.DataFrame
    classes: dict[int, str]
    sizes: int

    def numbers(self, name: str) -> npt.NDArray[np.generic]:
        """Return a column of `drawn`."""
        return np.asarray(self.drawn[name].to_numpy())

    def by_size(self, name: str) -> Integers:
        """Return a column of lists of `drawn` as an int64 array (pairs, size classes)."""
        flat = self.drawn[name].combine_chunks().flatten().to_numpy()
        return np.asarray(flat, np.int64).reshape(self.drawn.num_rows, self.sizes)

    def pixels(self) -> pd.DataFrame:
        """Return class_id, tp, fp and fn (pixels) of all pairs, by picture and class."""
        places = self._places()
        class_ids = np.tile(np.array(list(self.classes), np.int32), len(self.images))
        columns: dict[str, npt.NDArray[np.integer]] = {"class_id": class_ids}
        for name in _PIXELS:
            values = np.zeros(len(class_ids), np.int32)  # a picture has fewer pixels than 2**31
            values[places] = self.numbers(name)
            columns[name] = values
        return pd.DataFrame(columns)

    def rows(self) -> Iterator[pa.Table]:
        """Yield the rows of the table `confusions`, without provenance, some pictures at a time."""
        places = self._places()
        for first in range(0, len(self.images), _PICTURES):
            images = self.images.iloc[first : first + _PICTURES]
            bounds = np.array([first, first + len(images)]) * len(self.classes)
            begin, end = np.searchsorted(places, bounds)
            drawn = self.drawn.slice(begin, end - begin)
            yield self._rows(images, drawn, places[begin:end] - bounds[0])

    def _places(self) -> Integers:
        """Return the number of each drawn pair among all pairs, by picture and class."""
        class_ids = np.array(list(self.classes), np.int64)
        row = np.searchsorted(self.images.index.to_numpy(), self.numbers("picture"))
        return row * len(class_ids) + np.searchsorted(class_ids, self.numbers("class_id"))

    def _rows(self, images: pd.DataFrame, drawn: pa.Table, places: Integers) -> pa.Table:
        count, class_ids = len(images), np.array(list(self.classes), np.int32)
        order = pa.array(np.repeat(np.arange(count), len(class_ids)))
        columns: dict[str, pa.Array] = {
            name: pa.array(images[name], pa.string()).take(order)
            for name in ("source", "key", "image_id")
        }
        columns["class_id"] = pa.array(np.tile(class_ids, count))
        columns["class_name"] = pa.array(list(self.classes.values()) * count)
        pixels = images["height"].to_numpy(np.int64) * images["width"].to_numpy(np.int64)
        rest = np.repeat(pixels, len(class_ids))
        for name in (*_PIXELS, *_DEFECTS):
            column = drawn[name].to_numpy()
            values = np.zeros(len(rest), column.dtype)
            values[places] = column
            columns[name] = pa.array(values)
            if name in _PIXELS:
                rest -= values.astype(np.int64)
        columns["tn"] = pa.array(rest)
        for name in BY_SIZE:
            columns[name] = self._lists(drawn, name, places, len(rest))
        return pa.table(columns)

    def _lists(self, drawn: pa.Table, name: str, places: Integers, rows: int) -> pa.ListArray:
        values = np.zeros((rows, self.sizes), np.int32)
        flat = drawn[name].combine_chunks().flatten().to_numpy()
        values[places] = flat.reshape(drawn.num_rows, self.sizes)
        offsets = np.arange(rows + 1, dtype=np.int32) * self.sizes
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def join_counted(
    tables: list[pa.Table], images: pd.DataFrame, classes: dict[int, str], sizes: int
) -> PairCounts:
    """Join counted pairs, in any order.

    Args:
        tables: columns of `COUNT_SCHEMA` without `problem`.
        images: pictures that are compared.
        classes: class names, by id; a class that only the pairs have is added.
        sizes: number of size classes.
    """
    drawn = pa.concat_tables([_DRAWN.empty_table(), *tables])
    drawn = drawn.sort_by([("picture", "ascending"), ("class_id", "ascending")]).combine_chunks()
    known = {one: f"class_{one}" for one in pc.unique(drawn["class_id"]).to_pylist()} | classes
    return PairCounts(drawn, images, dict(sorted(known.items())), sizes)
