"""Write a queue: as text for people, or as CSV, JSON or Parquet."""

from __future__ import annotations

from pathlib import Path

import duckdb

from steeldefect.analysis.forms import Form
from steeldefect.analysis.results import write_file
from steeldefect.review.pick import ReviewQueue
from steeldefect.review.text_tables import Column, lines_of, number_text


def queue_text(queue: ReviewQueue) -> str:
    """Return a queue as text; a column that is the same or unknown everywhere is left out."""
    rows = queue.rows
    if not rows:
        return "(no pictures)"
    several = len({row.source for row in rows}) > 1
    columns = [
        Column("rank", [str(row.rank) for row in rows], ">"),
        Column("kind", [row.kind.value for row in rows]),
        Column("score", [number_text(row.score, 2) for row in rows], ">"),
        Column("source", [row.source if several else "" for row in rows]),
        Column("key", [row.key for row in rows]),
        Column("coil", [row.coil or "" for row in rows]),
        Column("position_mm", [number_text(row.position_mm, 0) for row in rows], ">"),
        Column("reason", [row.reason for row in rows]),
    ]
    return "\n".join(lines_of(columns))


def write_queue(queue: ReviewQueue, form: Form, path: Path) -> None:
    """Write a queue to a file, replacing its content.

    Raises:
        OSError: the file cannot be written.
    """
    if form is Form.TABLE:
        path.write_text(queue_text(queue) + "\n", encoding="utf-8")
        return
    with duckdb.connect(":memory:") as connection:
        write_file(connection.from_arrow(queue.table()), form, path)
