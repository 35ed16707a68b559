"""Label files: true masks and picture labels, in the CSV forms that Kaggle and the tutorial use.

Column names are matched without regard to case (the tutorial's own file spells `ImageID`), and
further columns are ignored. Training and evaluation read labels with this one code.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd

from steeldefect.errors import DataError

MASKS_FILE = "train.csv"
LABELS_FILES = ("labels.csv", "defect_and_no_defect.csv")

_LISTED = 5


def read_masks(content: bytes, name: str) -> pd.DataFrame:
    """Read true run lengths, in either of Kaggle's forms.

    Three columns `ImageId,ClassId,EncodedPixels`, or the original two
    `ImageId_ClassId,EncodedPixels` with `name.jpg_1`. Rows without run lengths state that a class
    is absent; they stay in, so that they are checked like the others.

    Args:
        content: of the file.
        name: of the file, for messages.

    Returns:
        Columns ImageId (text), ClassId (int), EncodedPixels (text, may be empty).

    Raises:
        DataError: missing columns, or class ids that are not whole numbers above 0.
    """
    table = read_csv(content, name)
    if "imageid_classid" in table.columns:
        parts = table["imageid_classid"].str.rpartition("_")
        table = table.assign(imageid=parts[0], classid=parts[2])
    require_columns(table, ("imageid", "classid", "encodedpixels"), name)
    ids = table["classid"]
    wrong = ids[~ids.str.fullmatch(r"0*[1-9][0-9]{0,8}")]
    if len(wrong):
        raise DataError(
            f"{name}: class ids are whole numbers from 1; line {wrong.index[0] + 2} has "
            f"{wrong.iloc[0]!r}"
        )
    return pd.DataFrame(
        {
            "ImageId": table["imageid"],
            "ClassId": ids.astype(int),
            "EncodedPixels": table["encodedpixels"],
        }
    )


def read_labels(content: bytes, name: str) -> dict[str, bool]:
    """Read which pictures are defective: `ImageId,label`, 1 = defective.

    Raises:
        DataError: missing columns, a label that is neither 0 nor 1, or two rows for one picture.
    """
    table = read_pairs(content, name, "label")
    wrong = table[~table["label"].isin(("0", "1"))]
    if len(wrong):
        raise DataError(
            f"{name}: a label is 1 (defective) or 0; line {wrong.index[0] + 2} has "
            f"{wrong['label'].iloc[0]!r}"
        )
    return dict(zip(table["imageid"], table["label"] == "1", strict=True))


def read_pairs(content: bytes, name: str, value: str) -> pd.DataFrame:
    """Read a file with one row a picture: columns imageid and `value`, as text.

    Rows that are repeated to the letter count once: the tutorial's own file has 427 of them.

    Raises:
        DataError: missing columns, or rows of one picture that contradict each other.
    """
    table = read_csv(content, name)
    require_columns(table, ("imageid", value), name)
    table = table.drop_duplicates(["imageid", value])
    twice = table["imageid"][table["imageid"].duplicated()].unique().tolist()
    if twice:
        raise DataError(f"{name}: rows that contradict each other for {listed(twice)}")
    return table


def read_csv(content: bytes, name: str) -> pd.DataFrame:
    """Read CSV as text: lower-case column names, nothing but the cells' own characters.

    Raises:
        DataError: empty, not UTF-8, or not CSV.
    """
    if not content.strip():
        raise DataError(f"{name} is empty; expected a header and rows")
    try:
        table = pd.read_csv(
            io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{name} is not CSV: {' '.join(str(error).split())}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas would take the first cells as names
        raise DataError(f"{name}: rows have more cells than the header; remove trailing commas")
    table.columns = table.columns.str.strip().str.lower()
    twice = table.columns[table.columns.duplicated()].unique().tolist()
    if twice:
        raise DataError(f"{name}: more than one column {listed(twice)}, in whatever case")
    stripped: pd.DataFrame = table.apply(lambda column: column.str.strip())
    return stripped


def require_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks a column.

    Raises:
        DataError: names what is missing and what is there.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{name}: no column {' or '.join(missing)}; got {', '.join(table.columns)}")


def listed(names: Sequence[str]) -> str:
    """Name the first few of many, and count the others."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
