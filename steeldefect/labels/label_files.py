"""Read label files: true masks and picture labels, in the CSV forms of Kaggle and the tutorial.

The case of column names is ignored (the tutorial's own file spells `ImageID`), and so are other
columns. Training and evaluation share this code. `docs/labels.md` describes each form and what is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels.label_csv import listed, read_csv, require_columns
from steeldefect.pictures import run_lengths

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
]

MASKS_FILE = "train.csv"
LABELS_FILES = ("labels.csv", "defect_and_no_defect.csv")

_PAIR = ["ImageId", "ClassId"]
_ROW = [*_PAIR, "EncodedPixels"]
_PAIRS_OF_NUMBERS = re.compile(r"(?:[0-9]{1,18}\s+[0-9]{1,18}(?:\s+|$))*", re.ASCII)
_SHOWN = 3
_CUT = "; the last line has no line end: if the file was cut there, fetch it again"
_LONGEST_SHOWN = 60
_NOTHING = frozenset({"nan", "none", "null", "-1", "n/a", "na"})


def read_masks(content: bytes, name: str) -> pd.DataFrame:
    """Read true masks as run lengths, in either of Kaggle's forms; see `mask_columns`.

    A row without run lengths states that a class is absent. Such rows are kept, so that they are
    checked like the others. Rows with the same picture, class and run lengths count once.

    Args:
        content: bytes of the file.
        name: name of the file, for messages.

    Returns:
        Columns ImageId (text), ClassId (int), EncodedPixels (text, may be empty), line (int, line
        number in the file).

    Raises:
        DataError: a column is missing, a row names no picture, a class id is not a whole number
            above 0, run lengths are malformed, or two rows have the same picture and class; the
            message names the lines.
    """
    table = mask_columns(read_csv(content, name), name)
    _refuse_unnamed(table, name)
    ids = table["ClassId"]
    wrong = table[~ids.str.fullmatch(r"0*[1-9][0-9]{0,8}").astype(bool)]
    if len(wrong):
        raise DataError(
            f"{name}: class ids are whole numbers from 1; line {wrong['line'].iloc[0]} has "
            f"{_shown(wrong['ClassId'].iloc[0])}"
        )
    table = table.assign(ClassId=ids.astype(int)).drop_duplicates(_ROW, ignore_index=True)
    _refuse_two_rows(table, name)
    _refuse_malformed(table, name, ends=content.endswith((b"\n", b"\r")))
    return table


def mask_columns(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the columns of a masks file, without checking the cells.

    The file has the three columns `ImageId,ClassId,EncodedPixels`, or Kaggle's original two,
    `ImageId_ClassId,EncodedPixels`, with cells such as `name.jpg_1`.

    Args:
        table: result of `read_csv`.
        name: name of the file, for messages.

    Returns:
        Columns ImageId, ClassId, EncodedPixels (text), line (int, line number in the file).

    Raises:
        DataError: a column is missing, or the file has both forms.
    """
    if "imageid_classid" in table.columns:
        if {"imageid", "classid"} & set(table.columns):
            raise DataError(
                f"{name} names pictures twice, by ImageId_ClassId and by ImageId or ClassId; "
                "remove one of them"
            )
        cells = table["imageid_classid"]
        parts = cells.str.rpartition("_")
        whole = parts[1] == ""  # no "_": the error then shows the whole cell
        table = table.assign(imageid=parts[0].mask(whole, cells), classid=parts[2])
    names = ("imageid", "classid", "encodedpixels")
    require_columns(table, names, name)
    return _with_lines(table, dict(zip(names, _ROW, strict=True)))


def read_label_rows(content: bytes, name: str) -> pd.DataFrame:
    """Read which pictures are defective: `ImageId,label`, 1 = defective.

    Returns:
        Columns ImageId (text), label (bool, True = defective), line (int, line number in the file);
        one row for each name.

    Raises:
        DataError: a column is missing, a row names no picture, a label is neither 0 nor 1, or rows
            contradict each other; the message names the lines.
    """
    table = read_csv(content, name)
    require_columns(table, ("imageid", "label"), name)
    wrong = table[~table["label"].isin(("0", "1"))]
    if len(wrong):
        raise DataError(
            f"{name}: a label is 1 (defective) or 0; line {wrong.index[0]} has "
            f"{_shown(wrong['label'].iloc[0])}"
        )
    rows = _pairs(table, name, "label")
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


def explain_malformed(text: str) -> str:
    """Return what is wrong with malformed run lengths, in a few words."""
    if text.lower() in _NOTHING:
        return f"{text!r} is not a mask; leave the cell empty if the class is absent"
    try:
        run_lengths.parse(text)
    except RunLengthError as error:
        return str(error)
    return "malformed run lengths"


def _pairs(table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    rows = _with_lines(table, {"imageid": "ImageId", value: value})
    _refuse_unnamed(rows, name)
    rows = rows.drop_duplicates(["ImageId", value], ignore_index=True)
    twice = _repeated(rows, ["ImageId"])
    if twice:
        named = [f"{key[0]} ({lines})" for key, lines in twice]
        raise DataError(f"{name}: rows that contradict each other for {listed(named)}")
    return rows


def _with_lines(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    chosen = table[list(names)].rename(columns=names)
    return chosen.assign(line=table.index).reset_index(drop=True)


def _refuse_unnamed(rows: pd.DataFrame, name: str) -> None:
    unnamed = rows.loc[rows["ImageId"] == "", "line"]
    if len(unnamed):
        raise DataError(f"{name}: line {unnamed.iloc[0]} names no picture")


def _refuse_two_rows(masks: pd.DataFrame, name: str) -> None:
    twice = _repeated(masks, _PAIR)
    if twice:
        named = [f"{picture} class {number} ({lines})" for (picture, number), lines in twice]
        raise DataError(
            f"{name} has more than one row for {listed(named)}; join their run lengths, ascending, "
            "in one row"
        )


def _repeated(rows: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[object, ...], str]]:
    """Return the keys that several rows have, each with its lines as text."""
    again = rows[rows.duplicated(keys, keep=False)]
    lines = again.groupby(keys, sort=False)["line"].agg(list)
    return [
        (key if isinstance(key, tuple) else (key,), "lines " + " and ".join(map(str, found)))
        for key, found in lines.items()
    ]


def _refuse_malformed(masks: pd.DataFrame, name: str, ends: bool) -> None:
    places = _malformed(masks["EncodedPixels"].tolist())
    if not places:
        return
    shown = [
        f"line {row.line}: {row.ImageId} class {row.ClassId}: "
        f"{explain_malformed(str(row.EncodedPixels))}"
        for row in masks.iloc[places[:_SHOWN]].itertuples()
    ]
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    cut = "" if ends or places[-1] < len(masks) - 1 else _CUT
    raise DataError(f"{name}: {'; '.join(shown)}{more}{cut}")


def _malformed(texts: Sequence[str]) -> list[int]:
    """Return the indices of malformed run lengths, sorted.

    All rows are checked at once, because there may be a million. The conditions are those of
    `run_lengths.parse`, which later explains each malformed row.
    """
    sound = [place for place, text in enumerate(texts) if _PAIRS_OF_NUMBERS.fullmatch(text)]
    found = set(range(len(texts))).difference(sound)
    # without blanks at the ends: numpy reads a text of blanks alone as a number
    joined = " ".join(texts[place] for place in sound).strip()
    numbers = np.fromstring(joined, dtype=np.int64, sep=" ").reshape(-1, 2)
    counts = [len(texts[place].split()) // 2 for place in sound]
    owners: npt.NDArray[np.int64] = np.repeat(np.array(sound, dtype=np.int64), counts)
    starts, lengths = numbers[:, 0], numbers[:, 1]
    wrong = (starts < 1) | (lengths < 1)
    follows = owners[1:] == owners[:-1]
    wrong[1:] |= follows & (starts[1:] < starts[:-1] + lengths[:-1])
    found.update(owners[wrong].tolist())
    return sorted(found)


def _shown(text: str) -> str:
    """Return a cell in quotes, and cut a long one."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
