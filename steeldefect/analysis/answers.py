"""Writes answers of SQL: as a table for people, as CSV, as JSON (one object a line), as Parquet.

DuckDB turns values into text, a batch of rows at a time, so that a million rows need no more
memory than a thousand. A table for people is the exception: the widths of its columns depend on
every row.

CSV is faithful: what a key holds stands in the file, quoted where CSV needs it. A table shows
characters that could move a terminal's cursor as escapes. JSON is pure ASCII.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.analysis.answer_columns import as_json, as_text, for_parquet, for_people, is_nested
from steeldefect.analysis.forms import Form
from steeldefect.errors import QueryError, StoreError

_BATCH_ROWS = 10_000
_WIDEST = 60  # characters of a cell that people see

_PLAIN, _OTHERS = re.compile(r"[\x00-\x7e]*"), re.compile(r"[^\x00-\x7e]")
_NO_NUMBER = {"NaN": None, "Infinity": None, "-Infinity": None}


class Piece(NamedTuple):
    """A part of an answer: whole lines, and how many rows they hold."""

    text: str
    rows: int


def text_of(relation: duckdb.DuckDBPyRelation | None, form: Form) -> Iterator[Piece]:
    """Write an answer as text, piece by piece.

    Args:
        relation: the answer; None for a statement that gives none.
        form: any but Parquet.

    Raises:
        duckdb.Error: the answer cannot be read to its end.
    """
    if relation is None:
        return iter([Piece("(no rows)\n", 0)] if form is Form.TABLE else [])
    return {Form.CSV: _csv, Form.JSON: _json, Form.TABLE: _table}[form](relation)


def write_answer(rows: pa.Table, form: str) -> str:
    """Write rows as text: `table`, `csv` or `json` (one object a line)."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.from_arrow(rows) if rows.num_columns else None
        text = "".join(piece.text for piece in text_of(relation, Form(form)))
    return text.removesuffix("\n")


def print_answer(relation: duckdb.DuckDBPyRelation | None, form: Form) -> None:
    """Write an answer to standard output, as it comes.

    CSV is UTF-8 whatever the locale is. In a table, characters that the terminal's encoding lacks
    are shown as escapes. A reader that closes the pipe (`| head`) has had enough: no error.

    Args:
        relation: the answer; None for a statement that gives none.
        form: any but Parquet.

    Raises:
        StoreError: there is no standard output.
        duckdb.Error: the answer cannot be read to its end.
    """
    if sys.stdout is None:
        raise StoreError("standard output is closed; write a file with --to FILE")
    try:
        for piece in text_of(relation, form):
            _print_text(piece.text, form)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left would be tried again when Python ends, and end in a traceback
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
    """Write an answer to a file, over what is there; text is UTF-8.

    Returns:
        The number of rows.

    Raises:
        QueryError: the statement gives no answer.
        duckdb.Error: the answer cannot be read to its end.
        OSError: the file cannot be written.
    """
    if relation is None:
        raise QueryError("the statement gives no answer that a file could hold; give a query")
    if form is Form.PARQUET:
        return write_parquet(relation, path)
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for piece in text_of(relation, form):
            file.write(piece.text)
            rows += piece.rows
    return rows


def write_parquet(relation: duckdb.DuckDBPyRelation, path: Path) -> int:
    """Write an answer as a Parquet file.

    Columns of one name are numbered: `key`, `key_1`. Types that Parquet does not have (intervals,
    unions, bit strings, times with a zone) become text, whole numbers of 128 bits decimals.

    Returns:
        The number of rows.

    Raises:
        duckdb.Error: the answer cannot be read to its end.
        OSError: the file cannot be written.
    """
    projected = _projected(relation, for_parquet)
    names = _told_apart(relation.columns)
    kinds = projected.limit(0).to_arrow_table().schema.types
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(projected):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            rows += batch.num_rows
    return rows


def printable(text: str) -> str:
    r"""Show characters that a terminal would obey, or that show nothing, as escapes.

    >>> printable("line 1/\x1b[2Ja\n.jpg")
    'line 1/\\x1b[2Ja\\n.jpg'
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def _projected(
    relation: duckdb.DuckDBPyRelation, written: Callable[[str, str], str]
) -> duckdb.DuckDBPyRelation:
    """Replace each column by an expression; columns go by their places, as names may repeat.

    Args:
        relation: the answer.
        written: gives the expression for a column, from how SQL names it and its type.
    """
    expressions = [
        f"{written(f'#{place}', str(kind))} AS c{place}"
        for place, kind in enumerate(relation.types, start=1)
    ]
    return relation.project(", ".join(expressions))


def _batches(relation: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
    """Read an answer; what fails in the middle is DuckDB's error, as it is at the beginning."""
    try:
        yield from relation.to_arrow_reader(_BATCH_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise duckdb.Error(str(error)) from None


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[list[tuple[str | None, ...]]]:
    """Read rows of text, a batch at a time."""
    for batch in _batches(relation):
        yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _csv(relation: duckdb.DuckDBPyRelation) -> Iterator[Piece]:
    lines = _Lines()
    writer = csv.writer(lines)  # ends lines with CR LF, and so quotes cells that hold either
    writer.writerow(relation.columns)
    yield Piece(lines.taken(), 0)
    for rows in _rows(_projected(relation, as_text)):
        writer.writerows(rows)
        yield Piece(lines.taken(), len(rows))


class _Lines:
    """Takes rows from `csv.writer`, one each time, and ends them with LF alone."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def write(self, row: str) -> None:
        self._lines.append(row.removesuffix("\r\n"))

    def taken(self) -> str:
        text = "".join(f"{line}\n" for line in self._lines)
        self._lines.clear()
        return text


def _json(relation: duckdb.DuckDBPyRelation) -> Iterator[Piece]:
    names = [json.dumps(name) for name in _told_apart(relation.columns)]
    mends = [_mend(str(kind)) for kind in relation.types]
    for rows in _rows(_projected(relation, as_json)):
        lines = [
            ",".join(
                f"{name}:{'null' if value is None else mend(value)}"
                for name, mend, value in zip(names, mends, row, strict=True)
            )
            for row in rows
        ]
        yield Piece("".join(f"{{{line}}}\n" for line in lines), len(rows))


def _mend(kind: str) -> Callable[[str], str]:
    """Choose what DuckDB's JSON needs: ASCII alone, and no numbers that are not finite."""
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
    rows = _projected(relation, for_people).to_arrow_table()
    columns = [_shown(column) for column in rows.columns]
    names = [printable(name) for name in relation.columns]
    # Arrow's own types: pandas' would turn whole numbers beside nulls into fractions
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


def _told_apart(names: Sequence[str]) -> list[str]:
    """Number columns of one name: `key`, `key_1`."""
    found: list[str] = []
    for name in names:
        free = next(one for one in _numbered(name) if one not in found)
        found.append(free)
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(1))
