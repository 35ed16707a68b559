"""Describe the schema of every table in Markdown, as `docs/tables.md` shows it."""

from __future__ import annotations

from steeldefect.tables.schema import SCHEMAS, TableName, TableSchema


def as_markdown() -> str:
    """Return a description of all tables: what a row is, and each column's type and content."""
    return "\n\n".join(_describe(table, schema) for table, schema in SCHEMAS.items())


def _describe(table: TableName, schema: TableSchema) -> str:
    lines = [
        f"### `{table.value}`",
        "",
        f"One row: {schema.row}.",
        "",
        "| column | type | what it holds |",
        "|---|---|---|",
    ]
    for column in schema.columns:
        comment = (column.metadata or {}).get(b"comment", b"").decode()
        optional = ", may be null" if column.nullable else ""
        lines.append(f"| `{column.name}` | {column.type}{optional} | {comment} |")
    return "\n".join(lines)
