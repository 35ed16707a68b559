"""True masks, kept on the disk: a million of them may take more memory than there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.labels.label_rows import TEXT
from steeldefect.labels.mask_files import refuse_two_rows
from steeldefect.program.temporary_files import temporary_files

_PAIR = ["ImageId", "ClassId"]
_TEXTS = pa.schema({"row": pa.int64(), "text": pa.string()})
_NO_ROWS = pd.DataFrame(
    {
        "ImageId": pd.Series(dtype=TEXT),
        "ClassId": pd.Series(dtype="int64"),
        "line": pd.Series(dtype="int64"),
        "drawn": pd.Series(dtype="bool"),
        "text": pd.Series(dtype="uint64"),
    }
)
_ROW_GROUP = 10_000  # masks; a mask may have some thousand characters


@dataclass(frozen=True)
class TrueMasks:
    """True masks of a label file: their names in memory, their run lengths in a Parquet file.

    Attributes:
        rows: columns ImageId, ClassId, line, drawn (whether there are run lengths); the index is
            the number of the row in `file`.
        file: Parquet file with the columns row and text (run lengths) of the rows that are drawn.
        folder: temporary folder that holds the file; it is deleted with this object.
    """

    rows: pd.DataFrame
    file: Path
    folder: TemporaryDirectory[str]

    @property
    def names_with_masks(self) -> set[str]:
        """Names of the pictures with run lengths."""
        return set(self.rows["ImageId"][self.rows["drawn"]])


def store_masks(frames: Iterable[pd.DataFrame], name: str) -> TrueMasks:
    """Write run lengths to a temporary file, and keep the names.

    Args:
        frames: columns ImageId, ClassId, EncodedPixels, line, as `mask_files.scan_masks` yields
            them; a row that repeats an earlier one counts once.
        name: name of the label file, for messages.

    Raises:
        DataError: two rows have the same picture and class, but not the same run lengths.
    """
    with temporary_files():
        folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="steeldefect-truth-")
    file = Path(folder.name) / "masks.parquet"
    kept: list[pd.DataFrame] = []
    first = 0
    with pq.ParquetWriter(file, _TEXTS, compression="zstd") as writer:
        for frame in frames:
            texts = frame["EncodedPixels"].to_numpy(dtype=object)
            numbered = frame.set_index(pd.RangeIndex(first, first + len(frame)))
            first += len(frame)
            drawn = numbered["EncodedPixels"] != ""
            kept.append(
                numbered[["ImageId", "ClassId", "line"]].assign(
                    ImageId=numbered["ImageId"].astype(TEXT),
                    drawn=drawn,
                    text=pd.util.hash_array(texts, categorize=False),
                )
            )
            columns = [numbered.index[drawn].to_numpy(), texts[drawn.to_numpy()]]
            arrays = [pa.array(one, field.type) for one, field in zip(columns, _TEXTS, strict=True)]
            with temporary_files():
                writer.write_table(pa.table(arrays, schema=_TEXTS), row_group_size=_ROW_GROUP)
    return TrueMasks(_distinct(pd.concat(kept) if kept else _NO_ROWS, name), file, folder)


def _distinct(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows without repeated ones, and without the column `text`, a hash of the text."""
    if rows.duplicated(_PAIR).any():
        rows = rows[~rows.duplicated([*_PAIR, "text"])]
        refuse_two_rows(rows, name)
    return rows.drop(columns="text")
