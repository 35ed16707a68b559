"""Read label files as CSV: text cells with their line numbers; errors name the damaged line.

A label file is UTF-8, with or without a byte order mark. Its cells are separated by commas,
semicolons or tabs, whichever the header uses. Lines end with LF, CRLF or CR.
`steeldefect.labels.label_files` interprets the cells.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from steeldefect.errors import DataError

EXCEL_CELL = 32_767
"""Largest number of characters in a cell of Excel; Excel cuts longer cells without a message."""

_LISTED = 5
_LONGEST_CELL = 2**31 - 1  # the csv module's own limit, 131,072, is less than a large mask needs
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_SEPARATORS = (",", ";", "\t")
_NO_TEXT = b" ,;\t\xef\xbb\xbf"


def read_csv(content: bytes, name: str, first_line: int = 1) -> pd.DataFrame:
    """Read CSV as text cells, with column names in lower case.

    Blank lines, and lines of empty cells, are skipped.

    Args:
        content: bytes of the file, without the lines before `first_line`.
        name: name of the file, for messages.
        first_line: number of the file's line at which `content` begins.

    Returns:
        One column of text for each column of the file, without white space around the cells; the
        index is the line number of each row.

    Raises:
        DataError: the content is empty, not UTF-8, damaged, or not a table; the message names the
            line.
    """
    text = _decode(content, name, first_line)
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, row in _rows(text, name, first_line):
        lines.append(line)
        rows.append(row)
    header = [cell.strip().lower() for cell in rows[0]]
    twice = list(dict.fromkeys(cell for cell in header if header.count(cell) > 1))
    if twice:
        raise DataError(f"{name}: more than one column {listed(twice)} (case is ignored)")
    _refuse_ragged(rows, lines, name)
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(header)
    _refuse_cut_cells(columns, lines[1:], name)
    return pd.DataFrame(
        {
            title: [cell.strip() for cell in column]
            for title, column in zip(header, columns, strict=True)
        },
        index=pd.Index(lines[1:], dtype="int64"),
        dtype=object,
    )


@dataclass(frozen=True)
class Lines:
    """Some whole lines of a CSV file, below the file's header.

    Attributes:
        content: the header's line, and the lines.
        first_line: number of the line before the first of them: that of the header in `content`.
        last: whether these are the last lines of the file.
    """

    content: bytes
    first_line: int
    last: bool


def whole_lines(pieces: Iterable[bytes]) -> Iterator[Lines]:
    """Cut a CSV file into whole lines, so that `read_csv` can read a part of it at a time.

    Args:
        pieces: bytes of the file, in pieces of any size.

    Yields:
        Lines, as many as a piece has; the whole file if it has no line end, or no header.
    """
    header, line, waiting = b"", 1, b""
    for piece in pieces:
        waiting += piece
        cut = max(waiting.rfind(b"\n"), waiting.rfind(b"\r", 0, -1)) + 1
        header = header or _header_of(waiting[:cut])
        if not header or waiting[:cut].strip() == header.strip():
            continue
        yield _lines(header, waiting[:cut], line, last=False)
        line += len(_LINE_ENDS.findall(waiting[:cut]))
        waiting = waiting[cut:]
    if waiting or line == 1:
        yield _lines(header, waiting, line, last=True)


def _lines(header: bytes, content: bytes, line: int, last: bool) -> Lines:
    if line == 1:
        return Lines(content, 1, last)  # it holds the header itself
    return Lines(header + b"\n" + content, line - 1, last)


def _header_of(content: bytes) -> bytes:
    """Return the first line that has a cell with text; empty if there is none."""
    found = (one for one in _LINE_ENDS.split(content) if one.strip(_NO_TEXT))
    return next(found, b"")


def require_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Check that a table has all of `columns`.

    Raises:
        DataError: a column is missing; the message names it, and the columns that are there.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{name}: no column {' or '.join(missing)}; got {', '.join(table.columns)}")


def listed(names: Sequence[str]) -> str:
    """Return the first few names as text, with the number of the others."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _decode(content: bytes, name: str, first_line: int) -> str:
    if not content.strip():
        raise DataError(f"{name} is empty; expected a header and rows")
    if content.startswith(_WIDE_MARKS) or _every_other_is_nul(content):
        raise DataError(f"{name} is UTF-16 or UTF-32 text; save it as UTF-8")
    damage = _CONTROL.search(content)
    if damage:
        raise DataError(f"{name}: {_describe_damage(content, damage.start(), first_line)}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(content, error.start, first_line)
        raise DataError(
            f"{name}: line {line} is not UTF-8 (byte 0x{content[error.start]:02x}); "
            "save the file as UTF-8"
        ) from None
    if not text.strip():
        raise DataError(f"{name} is empty; expected a header and rows")
    return text


def _every_other_is_nul(content: bytes) -> bool:
    start = content[:16]
    return any(
        half.count(0) == len(half) > 0 and other.count(0) == 0
        for half, other in ((start[0::2], start[1::2]), (start[1::2], start[0::2]))
    )


def _describe_damage(content: bytes, place: int, first_line: int) -> str:
    code = content[place]
    run = len(content) - place - len(content[place:].lstrip(content[place : place + 1]))
    what = f"{run:,} NUL bytes" if code == 0 and run > 1 else f"the control byte 0x{code:02x}"
    line = _line_of(content, place, first_line)
    return f"line {line} holds {what} (at byte {place:,}): the file is damaged; fetch it again"


def _line_of(content: bytes, place: int, first_line: int) -> int:
    return first_line + len(_LINE_ENDS.findall(content[:place]))


def _rows(text: str, name: str, first_line: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with its line number."""
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=_separator(text), strict=True)
    before = 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            line = before + first_line
            raise DataError(f"{name} is not CSV: the row of line {line}: {error}") from None
        if row is None:
            return
        if reader.line_num > before + 1:
            raise DataError(
                f"{name}: line {before + first_line} has a quoted cell that does not end in that "
                "line; close its quotes"
            )
        before = reader.line_num
        if any(cell and not cell.isspace() for cell in row):
            yield before + first_line - 1, row


def _separator(text: str) -> str:
    header = next(line for line in io.StringIO(text, newline="") if line.strip())
    return next((one for one in _SEPARATORS if one in header), ",")


def _refuse_ragged(rows: Sequence[Sequence[str]], lines: Sequence[int], name: str) -> None:
    width = len(rows[0])
    for line, row in zip(lines, rows, strict=True):
        if len(row) > width:
            raise DataError(
                f"{name}: line {line} has {len(row)} cells, the header has {width}; remove "
                "trailing commas, and quote cells that contain a comma"
            )
        if len(row) < width:
            raise DataError(
                f"{name}: line {line} has {len(row)} of {width} cells; if the file was cut there, "
                "fetch it again; otherwise add the commas of the empty cells"
            )


def _refuse_cut_cells(columns: Sequence[Sequence[str]], lines: Sequence[int], name: str) -> None:
    for column in columns:
        for line, cell in zip(lines, column, strict=True):
            if len(cell) == EXCEL_CELL:
                raise DataError(
                    f"{name}: line {line} has a cell of exactly {EXCEL_CELL:,} characters, where "
                    "Excel cuts cells; use the file as it was before Excel (if the cell is whole, "
                    "write one of its spaces twice)"
                )
