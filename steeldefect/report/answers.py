"""Ask the tables of an output, and keep each question beside its answer: the page shows both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from string import Template
from typing import Any

import duckdb

Value = str | int | float | date | tuple[str, ...]
Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The rows of a question.

    Attributes:
        sql: the statement as `steeldefect sql` runs it.
        rows: its rows, by column.
    """

    sql: str
    rows: tuple[Row, ...]

    @property
    def row(self) -> Row:
        """The only row of a question that always has one."""
        (only,) = self.rows
        return only


@dataclass(frozen=True)
class Asker:
    """Asks one database; every question is run exactly as the page shows it.

    Attributes:
        connection: database of `steeldefect.analysis.sql.opened_database`.
        values: values that all questions may name, such as `$run`.
    """

    connection: duckdb.DuckDBPyConnection
    values: Mapping[str, Value]

    def ask(self, question: str, **values: Value) -> Answer:
        """Run a question.

        Args:
            question: SQL with `$name` where a value stands.
            values: further values, by name.
        """
        sql = statement_of(question, {**self.values, **values})
        relation = self.connection.sql(sql)
        return Answer(sql, tuple(map(_plain, relation.to_arrow_table().to_pylist())))


def _plain(row: Row) -> Row:
    """Return a row with whole numbers as int: DuckDB gives sums of them as decimals."""
    return {
        name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()
    }


def statement_of(question: str, values: Mapping[str, Value]) -> str:
    """Return a question with its values as SQL literals.

    Raises:
        KeyError: a value is missing.
    """
    literals = {name: literal(value) for name, value in values.items()}
    return Template(question).substitute(literals).strip()


def literal(value: Value) -> str:
    """Return a value as a literal of standard SQL.

    >>> literal("O'Hara"), literal(("a", "b"))
    ("'O''Hara'", "('a', 'b')")
    """
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))})" if value else "(NULL)"
    return repr(value)
