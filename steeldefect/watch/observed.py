"""What one run saw: one row a picture, with the answers of one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from steeldefect.errors import DataError
from steeldefect.tables.schema import Verdict
from steeldefect.watch.quantities import GATE_PROBABILITY, PICTURE_QUANTITIES, SIZES

_NAME = ["source", "key"]
_PLACES = ("camera", "coil")
_NUMBERS = (*PICTURE_QUANTITIES, GATE_PROBABILITY)


@dataclass(frozen=True)
class Observed:
    """The pictures of one run, or of a validation part, and what one bundle found on them.

    Attributes:
        bundle: digest of the bundle.
        classes: names of all its classes, by id.
        images: one row a picture, index 0, 1, ...: `camera` and `coil` (text or null), the float
            columns of `PICTURE_QUANTITIES` and `gate_probability` (NaN if unknown), `defective`
            (bool): whether a defect was found.
        found: one row for each class found on a picture: `picture` (its index), `class_id`.
        regions: one row a defect: `picture`, `class_id`, `area` and `length` in pixels.
        failed: one row for each picture that could not be scored: `camera` and `coil`.
    """

    bundle: str
    classes: Mapping[int, str]
    images: pd.DataFrame
    found: pd.DataFrame
    regions: pd.DataFrame
    failed: pd.DataFrame

    def __post_init__(self) -> None:
        """Check the tables.

        Raises:
            DataError: lists the columns that are missing, or says which index or class is unknown.
        """
        columns = {
            "images": (*_PLACES, *_NUMBERS, "defective"),
            "found": ("picture", "class_id"),
            "regions": ("picture", "class_id", *SIZES),
            "failed": _PLACES,
        }
        missing = [
            f"{table}.{name}"
            for table, names in columns.items()
            for name in names
            if name not in getattr(self, table).columns
        ]
        if missing:
            raise DataError(f"watch: missing columns {', '.join(missing)}")
        for table in ("found", "regions"):
            rows: pd.DataFrame = getattr(self, table)
            if not rows["picture"].between(0, len(self.images) - 1).all():
                raise DataError(f"watch: {table} names a picture that is not in images")
            strange = sorted(set(rows["class_id"]) - set(self.classes))
            if strange:
                raise DataError(f"watch: {table} has classes {strange} that the bundle has not")


def observe(
    bundle: str,
    classes: Mapping[int, str],
    images: pa.Table,
    predictions: pa.Table,
    defects: pa.Table,
    quarantine: pa.Table,
) -> Observed:
    """Collect what one bundle saw from rows of the tables.

    Args:
        bundle: digest of the bundle; all rows are of this bundle.
        classes: names of its classes, by id.
        images: rows of `images`, one a picture. A column of numbers or places that is missing, as
            in older tables, counts as unknown.
        predictions: rows of the same pictures.
        defects: rows of the same pictures; only those with `kept` count.
        quarantine: rows of the same run. A picture counts once, and not if it is in `images`. If
            they have columns `camera` and `coil`, failures are counted by camera.

    Raises:
        DataError: a picture occurs twice in `images`, or a finding belongs to no picture.
    """
    pictures = _with_columns(images.to_pandas(), (*_PLACES, *_NUMBERS))
    names = pd.MultiIndex.from_frame(pictures[_NAME].astype(str))
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise DataError(f"watch: picture {twice[1]} has two rows; pass the rows of one run")
    pictures["defective"] = (pictures["verdict"] == Verdict.DEFECT.value).astype(bool)
    kept = defects.to_pandas()
    kept = kept[kept["kept"].astype(bool)] if "kept" in kept.columns else kept
    failed = quarantine.to_pandas().drop_duplicates(_NAME)
    again = names.get_indexer(pd.MultiIndex.from_frame(failed[_NAME].astype(str))) >= 0
    return Observed(
        bundle,
        dict(classes),
        pictures[[*_PLACES, *_NUMBERS, "defective"]],
        _of_pictures(predictions.to_pandas(), names, ("class_id",)).drop_duplicates(),
        _of_pictures(kept, names, ("class_id", *SIZES)),
        _with_columns(failed[~again], _PLACES)[list(_PLACES)].reset_index(drop=True),
    )


def _with_columns(rows: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows with all these columns: texts null and numbers NaN where they are unknown."""
    made = rows.copy()
    for name in names:
        if name in _PLACES:
            values = made[name] if name in made.columns else pd.Series(None, index=made.index)
            made[name] = values.astype(object).where(values.notna(), None)
        elif name in made.columns:
            made[name] = pd.to_numeric(made[name], errors="coerce").astype(np.float32)
        else:
            made[name] = np.full(len(made), np.nan, np.float32)
    return made


def _of_pictures(
    rows: pd.DataFrame, names: pd.MultiIndex, columns: tuple[str, ...]
) -> pd.DataFrame:
    """Return some columns, and the index of each row's picture."""
    places = names.get_indexer(pd.MultiIndex.from_frame(rows[_NAME].astype(str)))
    if (places < 0).any():
        lost = rows["key"].iloc[int((places < 0).argmax())]
        raise DataError(f"watch: a finding belongs to picture {lost}, which is not in images")
    return rows[list(columns)].assign(picture=places).reset_index(drop=True)
