"""Read masks files: true masks as run lengths, the whole file at once or piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels.label_csv import listed, read_csv, require_columns, whole_lines
from steeldefect.labels.label_rows import refuse_unnamed, repeated, shown, with_lines
from steeldefect.pictures import run_lengths

MASKS_FILE = "train.csv"

_PAIR = ["ImageId", "ClassId"]
_ROW = [*_PAIR, "EncodedPixels"]
_PAIRS_OF_NUMBERS = re.compile(r"(?:[0-9]{1,18}\s+[0-9]{1,18}(?:\s+|$))*", re.ASCII)
_SHOWN = 3
_LINE_ENDS = (b"\n", b"\r")
_CUT = "; the last line has no line end: if the file was cut there, fetch it again"
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
    return _checked(read_csv(content, name), name, ends=content.endswith(_LINE_ENDS))


def scan_masks(pieces: Iterable[bytes], name: str) -> Iterator[pd.DataFrame]:
    """Read true masks as `read_masks` does, but piece by piece, so that they need not fit memory.

    Rows of different pieces are not compared: `refuse_two_rows` does that.

    Args:
        pieces: bytes of the file, in pieces of any size.
        name: name of the file, for messages.

    Yields:
        Columns as `read_masks` returns; one frame for each piece that has rows.

    Raises:
        DataError: see `read_masks`.
    """
    for lines in whole_lines(pieces):
        table = read_csv(lines.content, name, lines.first_line)
        yield _checked(table, name, ends=not lines.last or lines.content.endswith(_LINE_ENDS))


def _checked(rows: pd.DataFrame, name: str, ends: bool) -> pd.DataFrame:
    """Check the rows of a file or piece; `ends`: whether its last line has a line end."""
    table = mask_columns(rows, name)
    refuse_unnamed(table, name)
    ids = table["ClassId"]
    wrong = table[~ids.str.fullmatch(r"0*[1-9][0-9]{0,8}").astype(bool)]
    if len(wrong):
        raise DataError(
            f"{name}: class ids are whole numbers from 1; line {wrong['line'].iloc[0]} has "
            f"{shown(wrong['ClassId'].iloc[0])}"
        )
    table = table.assign(ClassId=ids.astype(int)).drop_duplicates(_ROW, ignore_index=True)
    refuse_two_rows(table, name)
    _refuse_malformed(table, name, ends)
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
    return with_lines(table, dict(zip(names, _ROW, strict=True)))


def explain_malformed(text: str) -> str:
    """Return what is wrong with malformed run lengths, in a few words."""
    if text.lower() in _NOTHING:
        return f"{text!r} is not a mask; leave the cell empty if the class is absent"
    try:
        run_lengths.parse(text)
    except RunLengthError as error:
        return str(error)
    return "malformed run lengths"


def refuse_two_rows(masks: pd.DataFrame, name: str) -> None:
    """Check that no two rows have the same picture and class.

    Args:
        masks: columns ImageId, ClassId, line.
        name: name of the file, for messages.

    Raises:
        DataError: some have; the message names their lines.
    """
    twice = repeated(masks, _PAIR)
    if twice:
        named = [f"{picture} class {number} ({lines})" for (picture, number), lines in twice]
        raise DataError(
            f"{name} has more than one row for {listed(named)}; join their run lengths, ascending, "
            "in one row"
        )


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
