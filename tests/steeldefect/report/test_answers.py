"""Questions to the tables: every value is a literal, and the page shows what is run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steeldefect.report import questions
from steeldefect.report.answers import Asker, literal, statement_of

# DuckDB takes no NUL in a statement, and no key or name in the tables can hold one
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def back(connection: duckdb.DuckDBPyConnection, value: Any) -> Any:
    (row,) = connection.sql(f"SELECT {literal(value)}").fetchall()
    return row[0]


@given(TEXT)
@example("'; DROP TABLE images; --")
@example("O'Hara \\ $run \" {{ 7*7 }}\r\n")
def test_a_text_comes_back_as_it_was(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert back(connection, text) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
def test_a_number_comes_back_as_it_was(
    connection: duckdb.DuckDBPyConnection, number: float
) -> None:
    assert float(back(connection, number)) == float(number)


def test_dates_and_lists_come_back(connection: duckdb.DuckDBPyConnection) -> None:
    assert back(connection, date(2026, 2, 28)) == date(2026, 2, 28)
    names = ("a", "b'c", "")
    for wanted, found in (("b'c", True), ("d", False)):
        asked = connection.sql(f"SELECT {literal(wanted)} IN {literal(names)}")
        assert asked.fetchall() == [(found,)]
    asked = connection.sql(f"SELECT coalesce('a' IN {literal(())}, false)")
    assert asked.fetchall() == [(False,)]


def test_a_value_is_never_read_as_a_name_of_another_value(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    asker = Asker(connection, {"run": "$day", "day": "'$run'"})
    answer = asker.ask("SELECT $run AS run, $day AS day, sum(x) AS total FROM (SELECT 3 AS x)")
    assert answer.row == {"run": "$day", "day": "'$run'", "total": 3}
    assert isinstance(answer.row["total"], int)
    assert connection.sql(answer.sql).fetchall() == [("$day", "'$run'", 3)]


def test_a_question_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError, match="day"):
        statement_of(questions.FOUND, {"run": "r"})


def test_every_question_names_known_values_only() -> None:
    values = {"run": "r", "day": date(2026, 1, 1), "runs": ("r",), "first": date(2026, 1, 1)}
    values |= {"most": 3, "bundle": "b"}
    asked = {name: one for name, one in vars(questions).items() if name.isupper()}
    assert len(asked) > 15
    for name, question in asked.items():
        assert "$" not in statement_of(question, values), name
