"""Read label files: true masks and picture labels, in the CSV forms of Kaggle and the tutorial.

The case of column names is ignored (the tutorial's own file spells `ImageID`), and so are other
columns. Training and evaluation share this code. `docs/labels.md` describes each form and what is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from steeldefect.errors import DataError
from steeldefect.labels.label_csv import listed, read_csv, require_columns, whole_lines
from steeldefect.labels.label_rows import TEXT, refuse_unnamed, repeated, shown, with_lines
from steeldefect.labels.mask_files import (
    MASKS_FILE,
    explain_malformed,
    mask_columns,
    read_masks,
    scan_masks,
)

__all__ = [
    "LABELS_FILES",
    "MASKS_FILE",
    "explain_malformed",
    "listed",
    "mask_columns",
    "read_csv",
    "read_label_rows",
    "read_labels",
    "read_masks",
    "read_pairs",
    "require_columns",
    "scan_label_rows",
    "scan_masks",
]

LABELS_FILES = ("labels.csv", "defect_and_no_defect.csv")


def read_label_rows(content: bytes, name: str) -> pd.DataFrame:
    """Read which pictures are defective: `ImageId,label`, 1 = defective.

    Returns:
        Columns ImageId (text), label (bool, True = defective), line (int, line number in the file);
        one row for each name.

    Raises:
        DataError: a column is missing, a row names no picture, a label is neither 0 nor 1, or rows
            contradict each other; the message names the lines.
    """
    return _distinct(_label_rows(read_csv(content, name), name), name)


def scan_label_rows(pieces: Iterable[bytes], name: str) -> pd.DataFrame:
    """Read which pictures are defective as `read_label_rows` does, but piece by piece.

    A million rows then take little memory.

    Args:
        pieces: bytes of the file, in pieces of any size.
        name: name of the file, for messages.
    """
    frames = []
    for lines in whole_lines(pieces):
        rows = _label_rows(read_csv(lines.content, name, lines.first_line), name)
        frames.append(rows.astype({"ImageId": TEXT}))
    return _distinct(pd.concat(frames, ignore_index=True), name)


def _label_rows(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Check the rows of a labels file, or of a piece of it."""
    require_columns(table, ("imageid", "label"), name)
    wrong = table[~table["label"].isin(("0", "1"))]
    if len(wrong):
        raise DataError(
            f"{name}: a label is 1 (defective) or 0; line {wrong.index[0]} has "
            f"{shown(wrong['label'].iloc[0])}"
        )
    rows = with_lines(table, {"imageid": "ImageId", "label": "label"})
    refuse_unnamed(rows, name)
    return rows.assign(label=rows["label"] == "1")


def read_labels(content: bytes, name: str) -> dict[str, bool]:
    """Read which pictures are defective, by name; see `read_label_rows`."""
    rows = read_label_rows(content, name)
    return dict(zip(rows["ImageId"], rows["label"].tolist(), strict=True))


def read_pairs(content: bytes, name: str, value: str) -> pd.DataFrame:
    """Read a file with one row for each picture, such as `ImageId,group`.

    Rows with the same picture and value count once: the tutorial's own file has 427 repeated rows.

    Args:
        content: bytes of the file.
        name: name of the file, for messages.
        value: column name beside `ImageId`, in lower case.

    Returns:
        Columns ImageId and `value` (text), line (int, line number in the file).

    Raises:
        DataError: a column is missing, a row names no picture, or rows of one picture contradict
            each other; the message names the lines.
    """
    table = read_csv(content, name)
    require_columns(table, ("imageid", value), name)
    return _pairs(table, name, value)


def _pairs(table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    rows = with_lines(table, {"imageid": "ImageId", value: value})
    refuse_unnamed(rows, name)
    return _distinct(rows, name)


def _distinct(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows without repeated ones; refuse rows of one picture that differ."""
    values = [column for column in rows.columns if column != "line"]
    rows = rows.drop_duplicates(values, ignore_index=True)
    twice = repeated(rows, ["ImageId"])
    if twice:
        named = [f"{key[0]} ({lines})" for key, lines in twice]
        raise DataError(f"{name}: rows that contradict each other for {listed(named)}")
    return rows
