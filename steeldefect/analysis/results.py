"""Write the results of SQL: as a table for people, CSV, JSON (one object a line) or Parquet.

DuckDB converts values to text, one batch of rows at a time. So a million rows need no more memory
than a thousand. A table for people is the exception: its column widths depend on every row.

CSV keeps every character of a key, quoted where CSV needs it. A table shows characters that could
move a terminal's cursor as escapes. JSON is pure ASCII.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa

from steeldefect.analysis.forms import Form
from steeldefect.analysis.record_batches import BATCH_ROWS, record_batches
from steeldefect.analysis.result_columns import (
    as_json,
    as_text,
    for_people,
    is_nested,
    projected,
    unique_names,
)
from steeldefect.analysis.result_parquet import write_parquet
from steeldefect.errors import QueryError, StoreError

_WIDEST = 60  # characters shown of one cell in a table

_PLAIN, _OTHERS = re.compile(r"[\x00-\x7e]*"), re.compile(r"[^\x00-\x7e]")
_NO_NUMBER = {"NaN": None, "Infinity": None, "-Infinity": None}


class Piece(NamedTuple):
    """A part of a result: whole lines, and the number of rows in them."""

    text: str
    rows: int


def text_pieces(relation: duckdb.DuckDBPyRelation | None, form: Form) -> Iterator[Piece]:
    """Yield a result as text, piece by piece.

    Args:
        relation: result of a statement; None for a statement without one, such as `SET`.
        form: any form except Parquet.

    Raises:
        duckdb.Error: DuckDB failed while the rows were read.
    """
    if relation is None:
        return iter([Piece("(no rows)\n", 0)] if form is Form.TABLE else [])
    return {Form.CSV: _csv, Form.JSON: _json, Form.TABLE: _table}[form](relation)


def write_result(rows: pa.Table, form: str) -> str:
    """Return rows as text: `table`, `csv` or `json` (one object a line)."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.from_arrow(rows) if rows.num_columns else None
        text = "".join(piece.text for piece in text_pieces(relation, Form(form)))
    return text.removesuffix("\n")


def print_result(relation: duckdb.DuckDBPyRelation | None, form: Form) -> None:
    """Write a result to standard output while its rows are read.

    CSV is UTF-8 in every locale. A table shows characters that the terminal's encoding lacks as
    escapes. It is no error when a reader closes the pipe early (`| head`).

    Args:
        relation: result of a statement; None for a statement without one, such as `SET`.
        form: any form except Parquet.

    Raises:
        StoreError: standard output is closed.
        duckdb.Error: DuckDB failed while the rows were read.
    """
    if sys.stdout is None:
        raise StoreError("standard output is closed; write a file with --to FILE")
    try:
        for piece in text_pieces(relation, form):
            _print_text(piece.text, form)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the rest of its buffer when it exits: to the closed pipe, that would raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_text(text: str, form: Form) -> None:
    encoding, errors = "utf-8", "strict"
    if form is Form.TABLE:
        encoding, errors = sys.stdout.encoding or encoding, "backslashreplace"
    data = text.encode(encoding, errors)
    binary = getattr(sys.stdout, "buffer", None)  # a caller's own stream may have none
    if binary is None:
        sys.stdout.write(data.decode(encoding))
    else:
        binary.write(data)


def write_file(relation: duckdb.DuckDBPyRelation | None, form: Form, path: Path) -> int:
    """Write a result to a file, replacing its content; text is UTF-8.

    Returns:
        Number of rows.

    Raises:
        QueryError: the statement has no result.
        duckdb.Error: DuckDB failed while the rows were read.
        OSError: the file cannot be written.
    """
    if relation is None:
        raise QueryError("the statement has no result to write to a file; use a SELECT query")
    if form is Form.PARQUET:
        return write_parquet(relation, path)
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for piece in text_pieces(relation, form):
            file.write(piece.text)
            rows += piece.rows
    return rows


def printable(text: str) -> str:
    r"""Return a text with control characters and invisible characters written as escapes.

    >>> printable("line 1/\x1b[2Ja\n.jpg")
    'line 1/\\x1b[2Ja\\n.jpg'
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[list[tuple[str | None, ...]]]:
    """Yield the rows of a result whose columns are text, one batch at a time."""
    for batch in record_batches(relation, BATCH_ROWS):
        yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _csv(relation: duckdb.DuckDBPyRelation) -> Iterator[Piece]:
    lines = _Lines()
    writer = csv.writer(lines)  # its line end, CR LF, makes it quote cells that hold CR or LF
    writer.writerow(relation.columns)
    yield Piece(lines.take(), 0)
    for rows in _rows(projected(relation, as_text)):
        writer.writerows(rows)
        yield Piece(lines.take(), len(rows))


class _Lines:
    """Target of `csv.writer` that collects its lines and ends them with LF."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def write(self, row: str) -> None:
        self._lines.append(row.removesuffix("\r\n"))

    def take(self) -> str:
        text = "".join(f"{line}\n" for line in self._lines)
        self._lines.clear()
        return text


def _json(relation: duckdb.DuckDBPyRelation) -> Iterator[Piece]:
    names = [json.dumps(name) for name in unique_names(relation.columns)]
    corrections = [_correction_for(str(kind)) for kind in relation.types]
    for rows in _rows(projected(relation, as_json)):
        lines = [
            ",".join(
                f"{name}:{'null' if value is None else correct(value)}"
                for name, correct, value in zip(names, corrections, row, strict=True)
            )
            for row in rows
        ]
        yield Piece("".join(f"{{{line}}}\n" for line in lines), len(rows))


def _correction_for(kind: str) -> Callable[[str], str]:
    """Return what turns DuckDB's JSON of a type into ASCII without NaN and infinity."""
    return _finite if is_nested(kind) else _ascii


def _ascii(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _OTHERS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


def _finite(text: str) -> str:
    if "NaN" in text or "Infinity" in text:
        values = json.loads(text, parse_constant=_NO_NUMBER.__getitem__)
        text = json.dumps(values, separators=(",", ":"))
    return _ascii(text)


def _table(relation: duckdb.DuckDBPyRelation) -> Iterator[Piece]:
    rows = projected(relation, for_people).to_arrow_table()
    columns = [_shown(column) for column in rows.columns]
    names = [printable(name) for name in relation.columns]
    # Arrow's types: pandas' own would turn whole numbers beside nulls into fractions
    shown = pa.Table.from_arrays(columns, names)
    frame: pd.DataFrame = shown.to_pandas(types_mapper=pd.ArrowDtype)
    if frame.empty:
        yield Piece(f"(no rows) {', '.join(names)}\n", 0)
        return
    yield Piece(f"{frame.to_string(index=False, max_colwidth=_WIDEST)}\n", len(frame))


def _shown(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_string(column.type):
        return column
    texts = [text if text is None else printable(text) for text in column.to_pylist()]
    return pa.array(texts, pa.string())
