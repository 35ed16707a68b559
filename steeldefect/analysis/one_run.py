"""Let the views of an output's database hold one run alone: questions about a night stay quick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import duckdb


@contextmanager
def views_of_run(connection: duckdb.DuckDBPyConnection, run_id: str, day: date) -> Iterator[None]:
    """Let `newest_images`, `predictions`, `defects` and their audits hold one run's rows.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`; inside the block, its
            views read the run's partition only.
        run_id: id of the run.
        day: partition of the run.
    """
    own = f"run_id = '{_quoted(run_id)}' AND scored_date = DATE '{day.isoformat()}'"
    connection.execute("CREATE SCHEMA one_run")
    for name, select in _VIEWS.items():
        connection.execute(f"CREATE VIEW one_run.{name} AS {select} {own}")
    connection.execute("SET search_path = 'one_run,main'")
    try:
        yield
    finally:
        connection.execute("SET search_path = 'main'")
        connection.execute("DROP SCHEMA one_run CASCADE")


def _quoted(text: str) -> str:
    return text.replace("'", "''")


_VIEWS = {
    "newest_images": "SELECT *, image_id AS name FROM images WHERE",
    "predictions": "SELECT * FROM main.predictions WHERE",
    "defects": "SELECT * FROM main.defects WHERE",
    "audit_predictions": "SELECT * FROM main.audit_predictions WHERE",
    "audit_defects": "SELECT * FROM main.audit_defects WHERE",
}
