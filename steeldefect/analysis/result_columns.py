"""Build the SQL expressions that convert the columns of a result for each output form.

The functions `as_...` and `for_...` take the column as SQL names it, and the type as DuckDB
writes it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import duckdb

_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)$|(FLOAT|DOUBLE)$")
_BROKEN = re.compile(r"(FLOAT|DOUBLE)$")
_EXACT = re.compile(r"(DECIMAL\(\d+,\d+\)|U?HUGEINT)$")
_ZONED = "TIMESTAMP WITH TIME ZONE"
_MOMENTS = ("TIMESTAMP", _ZONED)
_NESTED = re.compile(r"(STRUCT|MAP|UNION)\(|.*\[\d*\]$|JSON$", re.DOTALL)
_NOT_IN_PARQUET = re.compile(
    r"INTERVAL|UNION|ENUM|\bBIT\b|TIME WITH TIME ZONE|UHUGEINT|VARIANT|BIGNUM"
)
"""Types that Parquet does not have, or that Arrow changes on the way; they are written as text."""


def is_nested(kind: str) -> bool:
    """Return whether values of a type contain other values."""
    return _NESTED.match(kind) is not None


def for_people(column: str, kind: str) -> str:
    """Return the expression for a table; numbers stay numbers, to be rounded and aligned later."""
    return column if _NUMBER.match(kind) or kind == "BOOLEAN" else as_text(column, kind)


def as_text(column: str, kind: str) -> str:
    """Return the expression for CSV; nested values become JSON."""
    if kind == "BOOLEAN":
        return f"CASE WHEN {column} THEN 'True' WHEN NOT {column} THEN 'False' END"
    if kind in _MOMENTS:
        moment = f"replace(strftime({column}, '%Y-%m-%d %H:%M:%S.%f'), '.000000', '')"
        if kind == _ZONED:
            moment += rf" || regexp_replace(strftime({column}, '%z'), '^(.\d\d)$', '\1:00')"
        return f"CASE WHEN isfinite({column}) THEN {moment} ELSE CAST({column} AS VARCHAR) END"
    if is_nested(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def as_json(column: str, kind: str) -> str:
    """Return the expression for a JSON value; numbers that are not finite become null."""
    if _BROKEN.match(kind):
        return f"CASE WHEN isfinite({column}) THEN CAST({column} AS VARCHAR) END"
    if _NUMBER.match(kind) or _EXACT.match(kind):
        return f"CAST({column} AS VARCHAR)"
    if kind in _MOMENTS:
        inner, zone = (f"{column} AT TIME ZONE 'UTC'", "Z") if kind == _ZONED else (column, "")
        moment = f"""strftime({inner}, '"%Y-%m-%dT%H:%M:%S.%f{zone}"')"""
        return f"CASE WHEN isfinite({column}) THEN {moment} ELSE {_json_of(column)} END"
    if kind == "BOOLEAN" or is_nested(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return _json_of(column)


def _json_of(column: str) -> str:
    return f"CAST(to_json(CAST({column} AS VARCHAR)) AS VARCHAR)"


def for_parquet(column: str, kind: str) -> str:
    """Return the expression for Parquet; types that Parquet does not have are converted."""
    if _NOT_IN_PARQUET.search(kind):
        return f"CAST({column} AS VARCHAR)"
    return f"CAST({column} AS DECIMAL(38, 0))" if kind == "HUGEINT" else column


def for_plain_parquet(column: str, kind: str) -> str:
    """Return the expression for Parquet that any program reads: nested values become JSON."""
    return as_text(column, kind) if is_nested(kind) else for_parquet(column, kind)


def projected(
    relation: duckdb.DuckDBPyRelation, expression_for: Callable[[str, str], str]
) -> duckdb.DuckDBPyRelation:
    """Replace each column by an expression; columns are named by position: names may repeat.

    Args:
        relation: result of a statement.
        expression_for: returns the expression for a column, from its name in SQL and its type.
    """
    expressions = [
        f"{expression_for(f'#{place}', str(kind))} AS c{place}"
        for place, kind in enumerate(relation.types, start=1)
    ]
    return relation.project(", ".join(expressions))


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with repeated ones numbered: `key`, `key_1`."""
    found: list[str] = []
    for name in names:
        free = next(one for one in _numbered(name) if one not in found)
        found.append(free)
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(1))
